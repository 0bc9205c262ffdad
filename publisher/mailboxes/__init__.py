"""Mailboxes that bounces and complaints come back to. One file each; `ports.Mailbox`."""
