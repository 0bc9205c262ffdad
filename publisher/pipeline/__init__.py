"""The story: what is due, how each piece of work is done, and what commits across steps.

    collect    look at a source; accepted articles and their places in feeds commit together
    release    articles whose time has come go live
    syndicate  a feed that changed is built, checked and put into the folder
    tidy       what stands beside feeds is written anew; what ended says so, and goes when its time is over
    announce   the hub is told which feeds changed
    compose    a newsletter whose hour has come gets its edition, or a reason why not
    archive    editions that have left stand beside the feeds as pages, with what was taken back since
    plan       an approved edition, its undo window over, is looked at once more at its sources, and becomes batches:
               each reader with the variant that their topics and what they were sent before make
    deliver    a mailer's batches are claimed, intended, submitted and settled
    bounces    what came back by mail to a mailer's mailbox becomes events
    feedback   what mailers told is merged: bounces, complaints, who left
    notify     mail that is no edition leaves
    judge      a first wave that went well lets the rest follow, one that went badly pauses the edition
    websub     a hub is asked to tell of a source's news, again before its lease ends, or to stop
    sweep      leases that ended are given back; first waves are judged; editions without open batches are done
               and get a receipt; what changed late is made anew for who was not mailed yet; alarms are raised

`due` is a query and `work` is idempotent: a restart, a second process or a command by hand does the same
safe thing. Engines carry only (kind, key).
"""

from publisher.pipeline.alerts import by_hand as urgent
from publisher.pipeline.archiving import archive
from publisher.pipeline.calendar import come, following, timetable, today, waiting
from publisher.pipeline.collecting import collect, push, release
from publisher.pipeline.composing import compose, compose_slot, draft, newsletter_of, send
from publisher.pipeline.delivering import bounces, deliver, feedback, judge, notify, plan
from publisher.pipeline.editing import correct, mail, restore, retract, why
from publisher.pipeline.hubs import told_by_hub, verify
from publisher.pipeline.keeping import Rebuilt, make, message_again, rebuild, recipe_of
from publisher.pipeline.looking import LOOKS, ask, collect_all
from publisher.pipeline.preflighting import findings, override, picked, specimen
from publisher.pipeline.receipting import account, receipt
from publisher.pipeline.receipting import verify as verify_receipt
from publisher.pipeline.renewing import resume
from publisher.pipeline.selecting import readers, selection, variant_for
from publisher.pipeline.serving import announce, tidy
from publisher.pipeline.syndicating import refill, syndicate
from publisher.pipeline.watching import OVERDUE, overdue, sweep
from publisher.pipeline.working import adopt, due, one_pass, work

__all__ = [
    "LOOKS",
    "OVERDUE",
    "Rebuilt",
    "account",
    "adopt",
    "announce",
    "archive",
    "ask",
    "bounces",
    "collect",
    "collect_all",
    "come",
    "compose",
    "compose_slot",
    "correct",
    "deliver",
    "draft",
    "due",
    "feedback",
    "findings",
    "following",
    "judge",
    "mail",
    "make",
    "message_again",
    "newsletter_of",
    "notify",
    "one_pass",
    "overdue",
    "override",
    "picked",
    "plan",
    "push",
    "readers",
    "rebuild",
    "receipt",
    "recipe_of",
    "refill",
    "release",
    "restore",
    "resume",
    "retract",
    "selection",
    "send",
    "specimen",
    "sweep",
    "syndicate",
    "tidy",
    "timetable",
    "today",
    "told_by_hub",
    "urgent",
    "variant_for",
    "verify",
    "verify_receipt",
    "waiting",
    "why",
    "work",
]
