"""The guards of the protocol, as what is missing when one is taken out. Each must be noticed: see `test_protocol`."""

from __future__ import annotations

from enum import Enum


class Gap(Enum):
    NO = ""  # the protocol as it is

    FENCE = "the fence of a claim is not compared"
    CONDITION = "updates have no condition at all"
    INTENT = "the call is made before the intent is committed"
    SWEEP_SUBMITTING = "a lease that ends after the intent makes the batch ready"
    SWEEP_RESOLVING = "a lease that ends while finding out is passed by"

    TIMEOUT = "a timeout counts as not sent"
    SERVER_ERROR = "a 5xx counts as not sent"
    LOST_IS_FAILED = "a lost answer counts as rejected"
    LATER_IS_UNKNOWN = "a 429 counts as unknown"
    SILENCE = "a letter without a result counts as not sent"

    LATER_IN_DOUBT = "a 429 makes a batch ready although an earlier attempt is in doubt"
    DEFERRED_IN_DOUBT = "what is not sent this time is tried again although an earlier attempt is in doubt"
    GIVEN_UP_IN_DOUBT = "a batch in doubt is given up after some attempts"
    REPEATED_IN_DOUBT = "a batch in doubt is handed over again, whatever the provider offers"
    BYTES_IN_DOUBT = "the bytes are made anew although an earlier attempt is in doubt"
    BYTES_KEPT = "what was proved not sent keeps its bytes, and with them who gets it"

    KEY_PER_ATTEMPT = "each attempt has a key of its own"
    KEY_TOO_OLD = "a key is used after its lifetime"
    KEY_OF_PARENT = "a child keeps its parent's key"
    KEY_NEVER_USED = "a key protects a child that was never handed over under it"

    LOOK_UP_BY_CHILD = "a child that was never handed over is looked up by its own key"
    NO_WITNESS = "absence is believed although no later batch is shown"
    EARLY_WITNESS = "absence is believed because of a batch from within the window"
    EARLY_NOTICE = "a notice is made while the call may still be under way"
    UNSEEN_NOTICE = "absence is believed as soon as the notice was handed over"
    NO_WINDOW = "absence is believed while the call may still be under way"

    CANCELLED_IN_DOUBT = "what is in doubt is cancelled with its edition"
    CANCELLED_AGAIN = "of a cancelled edition, too, a batch in doubt is to be handed over again"
    CANCELLED_INTENT = "an intent is committed although the edition was cancelled"

    TAKEN_IN_DOUBT = "a second mailer takes over a batch in doubt"
    TAKEN_IN_HAND = "a second mailer takes over a batch that is being handed over"
    TAKEN_FENCE = "a batch that is taken over keeps its fence"
    PARTS_AND_WHOLE = "a batch that was cut is still there beside its parts"
    KEY_OF_WHOLE = "the parts of a batch that was cut keep its key"
