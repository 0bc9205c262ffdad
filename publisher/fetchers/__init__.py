"""Fetchers: from a source to articles as it tells them. One file for each kind of source."""
