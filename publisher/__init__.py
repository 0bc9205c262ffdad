"""Publisher: from a newsroom's articles to feed readers and mailboxes.

    source  -> fetchers.*    articles as the source tells them
            -> collect       validate, clean, deduplicate, detect change      (store: article, revision)
            -> syndicate     which feed, feed documents, publication gate     -> formats.* -> folders.*
            -> compose       which articles in which edition, rendered        (store: edition, item, variant)
            -> deliver       plan, claim, submit, settle, reconcile           -> mailers.* -> mailbox
            -> feedback      what became of each message                      (store: event, suppression)

`pipeline` tells that story in order; `app` wires the parts; `cli`, `web` and `schedule` are the doors.
"""

__version__ = "0.1.0"
