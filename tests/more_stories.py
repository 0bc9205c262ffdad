"""A busy day of "The Harbour Gazette", and a day of its Arabic pages, for tests that look at whole editions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from publisher.model import Article, Author
from tests.people import NOW, article
from tests.stories import NESSA, ORLA, PICTURE, TOM, told

_BUSY = (
    ("Three boats and a tractor pull the Morning Star off the sandbar", "Nobody was hurt; the catch was late.", TOM),
    ("Pilots ask for a second light on the inner breakwater", "The old one is hard to see from the east.", ORLA),
    ("Night bus to Ballyquill starts in December", "The last one leaves the square at half past one.", NESSA),
    ("A choir of ninety wants ten basses, and will teach them to read music", "Come on Tuesday, and bring tea.", NESSA),
    ("Under-twelves win the county shield on penalties", "The keeper had saved four before she took the fifth.", TOM),
)
_SECTIONS = ("Harbour", "Harbour", "Town", "Town", "Sport")


def busy() -> tuple[Article, ...]:
    """More stories than fit on a screen, in four sections, newest first."""
    return (*told(), *map(_more, range(len(_BUSY))))


def _more(place: int) -> Article:
    title, standfirst, author = _BUSY[place]
    published = NOW - timedelta(hours=7 + place)
    return article(
        title,
        id=20 + place,
        standfirst=standfirst,
        categories=(_SECTIONS[place],),
        authors=(author,),
        content_html=f"<p>{standfirst}</p>",
        published_at=published,
        updated_at=published,
    )


_SAMIRA = Author(name="سميرة حداد")
_KARIM = Author(name="كريم ناصر")
_ARABIC = (
    (
        "العبّارة تعود إلى كيلمارنا بعد أربعين عامًا",
        "غادر القارب الأول في السابعة صباحًا وعلى متنه 112 راكبًا وفرقة نحاسية وحصان صبور جدًا.",
        "الميناء",
        _SAMIRA,
        (
            (
                "أُلقي الحبل قبل السابعة بدقيقة، ولم ينطق أحد على الرصيف بكلمة. ثم دارت المحركات، وتحرك القارب الذي "
                "لم تعرفه ثلاثة أجيال إلا من الحكايات نحو الجزر."
            ),
            "قبل أربعين عامًا بيعت العبّارة الأخيرة خردة. ومن اليوم يستغرق العبور خمسًا وثلاثين دقيقة.",
            "يستمر جدول الرحلات حتى نهاية مارس، بثلاث رحلات في أيام العمل وخمس يوم السبت.",
        ),
    ),
    (
        "جدار البحر يرتفع مترًا قبل الشتاء",
        "تبدأ الأعمال يوم الاثنين عند الرصيف الشمالي، ويُغلق الممشى ستة أسابيع.",
        "الميناء",
        _KARIM,
        ("صوّت المجلس لصالح الخطة الأعلى.",),
    ),
    (
        "المكتبة تفتح أبوابها أيام الأحد",
        "تجربة كان من المقرر أن تنتهي هذا الشهر تستمر حتى الصيف.",
        "المدينة",
        _SAMIRA,
        ("يأتي أكثر من ثلاثمئة شخص كل أسبوع.",),
    ),
    (
        "هل يعود المخبز في شارع الطاحونة؟",
        "أمام الأختين حتى يوم الخميس لجمع ما تبقى من المال.",
        "المدينة",
        _KARIM,
        ("الأفران باردة منذ أغسطس.",),
    ),
)


def arabic() -> tuple[Article, ...]:
    """Stories written from right to left, newest first."""
    return tuple(map(_from_right, range(len(_ARABIC))))


def _from_right(place: int) -> Article:
    title, standfirst, section, author, paragraphs = _ARABIC[place]
    published = NOW - timedelta(hours=1 + place)
    one = article(
        title,
        id=40 + place,
        standfirst=standfirst,
        categories=(section,),
        authors=(author,),
        content_html="".join(f"<p>{paragraph}</p>" for paragraph in paragraphs),
        image=replace(PICTURE, alt="العبّارة الجديدة تغادر الميناء مع أول الضوء", credit="فيون هيل")
        if not place
        else None,
        published_at=published,
        updated_at=published,
    )
    return replace(one, revision=replace(one.revision, language="ar"))
