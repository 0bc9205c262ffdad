"""What comes back by mail: bounces, complaints and automatic answers, told apart and put into words of ours.

Standard ones are delivery status notifications (RFC 3464, RFC 6533) and abuse reports (RFC 5965); the others are what
mail servers wrote before there was a standard, and still write. Anybody can write such a mail: what is read here is a
claim. Whose letter it is about must be proved by what it carries (a return path, see `kit.verp`, or a Message-ID).
"""

from publisher.kit.reports._kinds import refusal
from publisher.kit.reports._reading import LARGEST, Report, ReportKind, read
from publisher.kit.reports._standard import Told

__all__ = ["LARGEST", "Report", "ReportKind", "Told", "read", "refusal"]
