# ruff: noqa: E501 - prose in tables is easier to compare on one line
"""Pairs of texts from two newsrooms: twenty that tell the same story, and twenty that only look as if they did.

A pair is written as its first text and what is different in the second, so that the difference can be seen.
"""

from __future__ import annotations

from collections.abc import Callable

FERRY = """The island ferry returns to Kilmarnagh on Friday, forty years after the last boat was sold for scrap. \
The new vessel is called Brigid and carries sixty people, two cars and the post. Captain Eithne Moran said that \
she had waited for this morning since she was a girl on the pier with her father. Tickets cost four euro each way, \
and children travel free until Easter. The harbour board has dredged the channel to a depth of three metres, and a \
new ramp was poured in September. The first crossing leaves at ten past nine, if the wind allows it."""

BRIDGE = """Engineers have closed the swing bridge over the Marn after a crack was found in its eastern bearing. \
Traffic is led through Upper Quay, where queues reached two kilometres on Monday morning. The bridge was built in \
1911 and turns about nine hundred times a year. Chief engineer Colm Daly told the council that a new bearing must \
be cast in Sheffield, which takes eleven weeks. Until then ships above twelve metres cannot reach the inner basin. \
Fishermen asked for a tow past the locks, and the council promised an answer on Thursday."""

SCHOOL = """Pupils of the Quay Street school have counted the swifts above the town for the tenth summer in a row. \
They found ninety-one nests, fourteen more than last year and the most since the count began. Teacher Grainne Hill \
keeps the lists in a tin that once held biscuits. The birds come in May, raise two young and leave for Africa before \
the holidays end. Builders have promised to leave the gaps under the eaves of the old rope works open, and the mayor \
has hung twelve nesting boxes on the town hall with her own hands."""

GERMAN = """Die Werft in Nordersiel baut im nächsten Jahr drei Schiffe für den Küstenschutz. Der Auftrag sichert \
nach Angaben der Geschäftsführung zweihundert Arbeitsplätze bis zum Ende des Jahrzehnts. Betriebsrätin Anke Petersen \
sprach von einem guten Tag für die ganze Bucht. Die Schiffe sollen mit Methanol fahren und in flachem Wasser Tonnen \
legen können. Das erste wird im März auf Kiel gelegt, das letzte soll im Herbst darauf getauft werden. Die \
Gewerkschaft verlangt, dass auch die Lehrlinge übernommen werden."""

FRENCH = """Le marché aux poissons de Saint-Brévin rouvre samedi après deux ans de travaux. Les halles ont retrouvé \
leur charpente de fer et leurs verrières, et le sol descend de nouveau vers le port comme autrefois. Quarante \
marchands ont tiré leur place au sort devant le maire. La criée se tiendra chaque matin à cinq heures, et les \
restaurants pourront acheter dès six heures. La ville a payé neuf millions, dont trois viennent de la région et le \
reste des amis du port, qui ont vendu des briques à leur nom."""

ARABIC = """أعلنت بلدية المدينة اليوم أن السوق القديم سيفتح أبوابه من جديد في بداية الشهر القادم بعد أعمال ترميم \
استمرت ثلاث سنوات كاملة. وقال رئيس البلدية إن التجار سيعودون إلى محلاتهم دون أن يدفعوا أي إيجار حتى نهاية العام. \
وأضاف أن السقف الخشبي أعيد بناؤه كما كان قبل الحريق وأن الماء عاد إلى النافورة في وسط الساحة."""

CHINESE = """港口管理局今天宣布，连接老城与海岛的渡轮将于星期五早晨重新开航。新船可以搭载六十名乘客和两辆汽车，单程票价为四元。\
船长说她从小就在码头上等待这一天的到来。航道已经疏浚到三米深，新的坡道也在九月完工。如果风力允许，第一班船将在九点十分出发。"""

Change = Callable[[str], str]


def edit(*pairs: tuple[str, str]) -> Change:
    def change(text: str) -> str:
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new)
        return text

    return change


def then(more: str) -> Change:
    return lambda text: f"{text} {more}"


SAME: tuple[tuple[str, str, Change], ...] = (
    ("word for word", FERRY, edit()),
    ("another house's quotation of numbers in words", FERRY, edit(("to a depth of three metres", "to three metres"))),
    ("one word put right", BRIDGE, edit(("a new bearing must be cast", "a new bearing has to be cast"))),
    ("a typing error mended", SCHOOL, edit(("nesting boxes", "nestboxes"))),
    ("in paragraphs", BRIDGE, lambda text: "".join(f"<p>{part}.</p>" for part in text.rstrip(".").split(". "))),
    ("in other markup", FERRY, edit(("Brigid", "<em>Brigid</em>"), ("Captain", "<strong>Captain</strong>"))),
    ("with a link", SCHOOL, edit(("the town hall", '<a href="https://h.example/">the town hall</a>'))),
    ("with a picture in it", BRIDGE, lambda text: f'<img src="https://h.example/b.jpg" alt="">{text}'),
    ("with a line of the agency", FERRY, then("(Coast Agency)")),
    ("in capitals at its start", BRIDGE, edit(("Engineers have closed", "ENGINEERS HAVE closed"))),
    (
        "with curly quotes and dashes",
        SCHOOL,
        edit((", and the mayor", " – and the mayor"), ("ninety-one", "ninety‑one")),
    ),
    ("with hard spaces", FERRY, edit(("four euro", "four&nbsp;euro"), ("two cars", "two&nbsp;cars"))),
    (
        "in another order of paragraphs",
        SCHOOL,
        lambda text: ". ".join([*text.rstrip(".").split(". ")[3:], *text.split(". ")[:3]]) + ".",
    ),
    ("with its last words cut", FERRY, edit((", if the wind allows it.", "."))),
    ("with a few words more", BRIDGE, then("Buses run as usual.")),
    ("German, one word changed", GERMAN, edit(("einem guten Tag", "einem guten Morgen"))),
    ("French, with other punctuation", FRENCH, edit(("le maire.", "le maire !"), ("six heures.", "six heures ;"))),
    ("Arabic, word for word", ARABIC, edit()),
    ("Chinese, with its end cut", CHINESE, edit(("第一班船将在九点十分出发", "第一班船将在九点出发"))),
    ("with entities written out", BRIDGE, edit(("Upper Quay", "Upper&#32;Quay"), ("1911", "19&#49;1"))),
)


def form(text: str, *fills: str) -> tuple[str, str]:
    """One form, filled in for two days, places or matches; a fill holds its values between bars."""
    return tuple(text.format(*fill.split("|")) for fill in fills)  # type: ignore[return-value]


_WEATHER = """Forecast for the coast between Kilmarnagh and the Skerries for {0}: winds {1} force {2}, becoming {3} \
later. Visibility good, in showers moderate to poor. Sea state {4} in the morning and {5} by night. Temperatures \
from {6} to {7} degrees. Small craft are advised to keep to the inner channel and to listen to the harbour radio \
at the full hour. The next forecast for this stretch of the coast is issued at six."""

_MATCH = """{0} beat {1} {2} at {3} on Saturday in front of {4} people. {5} scored the first goal after {6} minutes \
and {7} made sure of it late in the second half. The visitors had chances before the break, but the post and a good \
save kept them out. Both managers spoke of a fair result after the whistle. The league now rests for two weeks while \
the cup is played, and goes on with the tenth round on the first Sunday of next month."""

_PLANNING = """The council has received an application for planning permission at {0}, where {1} wishes to build {2}. \
The drawings may be seen at the planning office in the town hall on weekdays between nine and one. Anyone who wishes \
to object may do so in writing until {3}, and must state the reference {4}. The council decides on the application \
within eight weeks of that day and publishes its decision in this place."""

_LOTTERY = """The numbers drawn on {0} in the Harbour Lottery are {1}, {2}, {3}, {4} and {5}, with {6} as the extra \
number. There was {7} winner of the first prize. Winners of smaller prizes may collect them at every shop that sells \
tickets within ninety days. Prizes above a thousand euro are paid at the office of the lottery in the rope works. \
The profit goes to the lifeboat, the band and the school library, as it has since the lottery began."""

_OBITUARY = """{0}, {1}, of {2}, died peacefully on {3} at the hospice in Kilmarnagh, in the loving care of family \
and staff. Beloved {4} of {5}, sadly missed by neighbours and friends. Reposing at Daly's funeral home on Friday from \
five to seven. Removal on Saturday morning to the church of the Star of the Sea for Mass at eleven, followed by \
burial in the old cemetery. Family flowers only, please, and donations to the lifeboat if desired."""

_TICKER = """{0} The storm has reached the coast. All ferries are cancelled and the schools stay shut today. The fire \
brigade asks people to keep away from the sea wall and to tie down what can fly. We report here as long as the storm \
lasts; the newest entry stands at the top. {1}"""

_TRAFFIC = """Works on {0} between {1} and {2} begin on {3} and last until {4}. One lane stays open, and traffic is \
directed by lights. Buses of the line {5} do not call at {6}. Residents can reach their houses at all times, and \
deliveries should be made before ten in the morning. The council asks drivers to allow for delays and thanks them \
for their patience while the water mains are renewed."""

_MARKET = """Shares on the exchange closed {0} on {1}. The index of the thirty largest companies {2} by {3} per cent \
to {4} points. {5} led the way after its figures for the quarter, while {6} lost ground. In the currency market the \
euro stood at {7} dollars in the afternoon. Oil from the North Sea cost {8} dollars a barrel. Dealers spoke of a quiet \
day before the decision of the central bank, which is expected tomorrow at noon."""

ALIKE: tuple[tuple[str, tuple[str, str]], ...] = (
    (
        "the weather of two days",
        form(_WEATHER, "Monday|southwest|4|west|slight|moderate|6|11", "Tuesday|northwest|7|north|rough|high|2|5"),
    ),
    (
        "the weather, one number and the day apart",
        form(_WEATHER, "Monday|west|4|west|slight|slight|6|11", "Tuesday|west|5|west|slight|slight|7|12"),
    ),
    (
        "two matches",
        form(_MATCH, "Rovers|Town|2-0|Quay Park|1,204|Daly|12|Moran", "Celtic|United|3-1|Fort Road|880|Burke|31|Quinn"),
    ),
    (
        "the return match",
        form(_MATCH, "Rovers|Town|2-0|Quay Park|1,204|Daly|12|Moran", "Town|Rovers|1-0|Fort Road|990|Hill|70|Hayes"),
    ),
    (
        "two planning notices",
        form(
            _PLANNING,
            "Quay Street 4|Nora Hill|a garage|March 3|26-114",
            "Fort Road 19|Colm Daly|two houses|March 9|26-131",
        ),
    ),
    ("two draws of the lottery", form(_LOTTERY, "Friday|4|17|23|31|40|2|one", "Tuesday|3|9|28|33|41|7|no")),
    (
        "two deaths",
        form(
            _OBITUARY,
            "Mary Hill|84|Quay Street|Tuesday|mother|Nora and Hugh",
            "James Burke|79|Fort Road|Wednesday|husband|Anna",
        ),
    ),
    (
        "two entries of a live ticker",
        form(
            _TICKER,
            "9.40: First roofs are off in Fort Road, and the power is gone in forty houses.|",
            "11.15: The lifeboat is out for a trawler with six men aboard, east of the Skerries.|9.40: First roofs are off in Fort Road.",
        ),
    ),
    (
        "a ticker that has grown",
        (
            FERRY,
            f"Update, noon: the Brigid has turned back in heavy sea off the Skerries, with all sixty passengers safe, and will try again on Saturday when the wind has gone round to the north. {FERRY}",
        ),
    ),
    (
        "roadworks in two streets",
        form(
            _TRAFFIC,
            "Quay Street|the bridge|Rope Walk|Monday|June 4|12|Rope Walk",
            "Fort Road|the school|Mill Lane|Thursday|July 20|7|Mill Lane",
        ),
    ),
    (
        "two days at the exchange",
        form(
            _MARKET,
            "higher|Monday|rose|1.2|14,211|Nordwerft|Marn Steel|1.09|71",
            "lower|Tuesday|fell|0.4|14,154|Coast Foods|Nordwerft|1.08|73",
        ),
    ),
    (
        "a correction of a story",
        (
            BRIDGE,
            "Correction: in our report on the swing bridge over the Marn on Monday we wrote that a crack was found in its eastern bearing. It was found in the western one. The bridge was built in 1911 and turns about nine hundred times a year. Chief engineer Colm Daly asked us to put this right, and we regret the mistake.",
        ),
    ),
    (
        "a follow-up with the old background",
        (
            BRIDGE,
            "The council will pay for a tow past the locks, it said on Thursday. Fishermen welcomed the decision and want it to begin at once. The bridge was built in 1911 and turns about nine hundred times a year. Chief engineer Colm Daly told the council that a new bearing must be cast in Sheffield, which takes eleven weeks.",
        ),
    ),
    (
        "a translation into German",
        (
            FERRY,
            "Die Fähre zur Insel kehrt am Freitag nach Kilmarnagh zurück, vierzig Jahre nachdem das letzte Boot verschrottet wurde. Das neue Schiff heißt Brigid und trägt sechzig Menschen, zwei Autos und die Post. Kapitänin Eithne Moran sagte, sie habe auf diesen Morgen gewartet, seit sie als Mädchen mit ihrem Vater auf dem Pier stand. Die Fahrt kostet vier Euro.",
        ),
    ),
    (
        "a translation into English",
        (
            FRENCH,
            "The fish market of Saint-Brévin opens again on Saturday after two years of building. The halls have their iron frame and their glass roofs back, and the floor slopes down to the harbour as it once did. Forty traders drew lots for their places in front of the mayor. The auction is held every morning at five, and restaurants may buy from six.",
        ),
    ),
    (
        "a summary of it",
        (
            SCHOOL,
            "Pupils of the Quay Street school have counted the swifts above the town for the tenth summer in a row. They found ninety-one nests, fourteen more than last year and the most since the count began.",
        ),
    ),
    (
        "the same subject, told by another reporter",
        (
            SCHOOL,
            "Ninety-one pairs of swifts nest in the old town this year, more than ever since children of the school in Quay Street began to count them ten years ago. That is fourteen more than last summer, says Grainne Hill, who teaches there and keeps every list. The mayor put up a dozen boxes at the town hall herself, and at the rope works the gaps stay open.",
        ),
    ),
    ("two lines that say little", ("Goal! Rovers lead at the break.", "Goal! Rovers lead at the break.")),
    (
        "last year's story of the same day",
        (
            SCHOOL,
            SCHOOL.replace("tenth", "ninth")
            .replace(
                "ninety-one nests, fourteen more than last year and the most since the count began",
                "seventy-seven nests, three fewer than the year before, which was wet and cold until July",
            )
            .replace("Builders have promised to leave", "Builders could not be moved to leave")
            .replace(
                "and the mayor has hung twelve nesting boxes on the town hall with her own hands",
                "though the parish has asked them twice",
            ),
        ),
    ),
    (
        "two texts with one paragraph of advertising",
        (f"{FERRY} Read us for a month for one euro.", f"{BRIDGE} Read us for a month for one euro."),
    ),
)
