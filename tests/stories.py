"""A day's stories of "The Harbour Gazette", for tests that look at whole editions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from publisher.model import Article, Author, Image, Item, Label
from tests.people import NOW, article

ORLA = Author(name="Orla Keane", biography="Orla Keane has covered the harbour since 2019.")
TOM = Author(name="Tom Daly")
NESSA = Author(name="Nessa Quill", biography="Nessa Quill writes about schools and the people in them.")

#: The picture of the lead story.
PICTURE = Image(
    url="https://harbour-gazette.example/pictures/ferry.jpg",
    type="image/jpeg",
    width=1600,
    height=900,
    alt="The new ferry leaves the harbour at first light, the lighthouse behind it",
    credit="Fionn Hale",
)

_TOLD = (
    (
        "Ferry returns to Kilmarnagh after forty years",
        "The first boat left at seven with 112 people aboard, a brass band and one very patient horse.",
        ("Harbour",),
        (ORLA,),
        (
            (
                "The rope was thrown at one minute to seven, and for a moment nobody on the pier said anything at all. "
                "Then the engines turned, and the boat that three generations of Kilmarnagh had only heard about moved "
                "off towards the islands."
            ),
            (
                "Forty years ago the last ferry was sold for scrap. Since then the crossing has meant two hours by "
                "road and a hired boat, when there was one. From today it takes thirty-five minutes "
                "and costs four euro."
            ),
            (
                "“My mother met my father on the old one,” said Bríd Malone, 61, who was first in the queue. “I just "
                "wanted to see whether the coffee had got any better.” It had, she reported from the upper deck."
            ),
            (
                "The timetable runs until the end of March, with three crossings on weekdays and five on Saturdays. If "
                "two thousand people a month use it, the county will keep it going all year."
            ),
        ),
    ),
    (
        "Sea wall to be raised by a metre before the winter",
        "Work starts on Monday at the north pier; the promenade closes for six weeks.",
        ("Harbour",),
        (TOM,),
        (
            (
                "The council voted nine to two for the higher of two plans on Friday night. It costs 2.4 million and "
                "should hold back a storm like the one that flooded Quay Street in January."
            ),
            "Fishing boats keep their berths. Walkers will be led around by Chapel Lane.",
        ),
    ),
    (
        "“We counted every heron”: a school’s year on the estuary",
        "Twenty-six pupils, one telescope and a notebook that now belongs to the county museum.",
        ("Schools",),
        (NESSA,),
        (
            (
                "They began with the birds everybody knows. By June the fifth class of St Brendan’s had written down "
                "eighty-one kinds, four of them never recorded here before."
            ),
        ),
    ),
    (
        "Will the bakery on Mill Street open again?",
        "Two sisters have until Thursday to find the last of the money.",
        ("Town",),
        (NESSA, TOM),
        (
            (
                "The ovens have been cold since August. Now Ciara and Maeve Nolan have a lease, a baker and most of "
                "what they need."
            ),
            "“People keep leaving notes under the door,” Ciara Nolan said. “Mostly they say: brown soda, please.”",
        ),
    ),
    (
        "Library stays open on Sundays",
        "A trial that was meant to end this month goes on until the summer.",
        ("Town",),
        (ORLA,),
        ("More than three hundred people a week came on the day it used to be shut.",),
    ),
    (
        "Kilmarnagh Rovers draw in the rain, and nobody minds",
        "",
        ("Sport",),
        (TOM,),
        (
            (
                "Two goals, no cards and a pitch that belonged to the ducks: the Rovers came back from Ballyquill with "
                "a point and eleven colds."
            ),
        ),
    ),
)


def told(number: int = len(_TOLD), *, web: bool = True) -> tuple[Article, ...]:
    """Stories, newest first. With `web` they stand on the site, in sections, with a picture; without, they are as
    plain text files tell them: no address, no section, no picture."""
    return tuple(_story(place, web=web) for place in range(min(number, len(_TOLD))))


def _story(place: int, *, web: bool) -> Article:
    title, standfirst, sections, authors, paragraphs = _TOLD[place]
    published = NOW - timedelta(hours=1 + place)
    one = article(
        title,
        id=place + 1,
        standfirst=standfirst,
        categories=sections if web else (),
        authors=authors,
        content_html="".join(f"<p>{paragraph}</p>" for paragraph in paragraphs),
        image=PICTURE if web and place == 0 else None,
        published_at=published,
        updated_at=published,
        **({} if web else {"canonical_url": ""}),
    )
    return one


def labelled(items: Sequence[Item], labels: Mapping[int, Label]) -> list[Item]:
    """An edition's items for a reader to whom these articles are told so: what is taken back stands at the end, under
    no section."""
    told = [replace(item, label=labels.get(item.article, item.label)) for item in items]
    due = [item for item in told if item.label in (Label.CORRECTION, Label.RETRACTION)]
    return [*(item for item in told if item not in due), *(replace(item, section="") for item in due)]
