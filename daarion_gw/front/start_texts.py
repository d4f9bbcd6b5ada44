"""What the start page says, in English and in Ukrainian, and which of the two a reader wants.

Pure text: knows no requests and no services.
"""

import re
from dataclasses import dataclass, fields

_LONGEST_HEADER = 1024
_RANGE = re.compile(
    r"[ \t]*([A-Za-z*]{1,8})(?:-[A-Za-z0-9-]*)?[ \t]*(?:;[ \t]*q=([01](?:\.[0-9]*)?))?"
)


@dataclass(frozen=True, slots=True)
class Texts:
    """The page in one language. `{n}` and `{all}` in `count` are numbers of services."""

    lang: str
    language: str
    heading: str
    count: str
    up: str
    down: str
    lost: str
    checked: str
    again: str
    nothing: str
    details: tuple[tuple[str, str], ...] = ()

    def words(self) -> dict[str, str]:
        """The plain texts by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "details"}

    def counted(self, answering: int, known: int) -> str:
        """Such as "6 of 8 answer"."""
        return self.count.replace("{n}", str(answering)).replace("{all}", str(known))

    def detail(self, english: str) -> str:
        """A probe's words in this language; unknown ones stay as they are."""
        for pattern, translation in self.details:
            if re.fullmatch(pattern, english):
                return re.sub(pattern, translation, english)
        return english


ENGLISH = Texts(
    lang="en",
    language="Language",
    heading="Services behind this gateway",
    count="{n} of {all} answer now",
    up="Answers",
    down="No answer",
    lost="The gateway itself does not answer. What you see is from the last check.",
    checked="Checked at",
    again="Check again",
    nothing="No routes yet. Add one to gateway.yaml.",
)

UKRAINIAN = Texts(
    lang="uk",
    language="Мова",
    heading="Служби за цим шлюзом",
    count="Зараз відповідають {n} із {all}",
    up="Відповідає",
    down="Не відповідає",
    lost="Сам шлюз не відповідає. Ви бачите стан на час останньої перевірки.",
    checked="Перевірено о",
    again="Перевірити ще раз",
    nothing="Маршрутів ще немає. Додайте перший у gateway.yaml.",
    details=(
        (r"(\d+) in (\d+) ms", r"\1 за \2 мс"),
        (r"(\d+) of (\d+) servers", r"серверів: \1 із \2"),
        (r"refused the connection", "відмовив у з’єднанні"),
        (r"its name is not known", "таке ім’я невідоме"),
        (r"silent for (\d+)\.(\d+) s", r"мовчить \1,\2 с"),
        (r"cannot be reached", "недосяжний"),
        (r"hung up without an answer", "розірвав з’єднання без відповіді"),
        (r"does not speak HTTP", "не розмовляє HTTP"),
        (r"TLS failed", "збій TLS"),
        (r"could not be asked", "не вдалося запитати"),
    ),
)

LANGUAGES = {texts.lang: texts for texts in (ENGLISH, UKRAINIAN)}


def preferred_language(accept_language: str | None) -> str:
    """The better of "en" and "uk" for an Accept-Language header; English by default."""
    wanted = {"en": 0.0, "uk": 0.0}
    if not accept_language or len(accept_language) > _LONGEST_HEADER:
        return "en"
    for element in accept_language.split(","):
        found = _RANGE.fullmatch(element.rstrip())
        if found is not None and found[1].lower() in wanted:
            lang = found[1].lower()
            wanted[lang] = max(wanted[lang], float(found[2] or 1))
    return "uk" if wanted["uk"] > wanted["en"] else "en"
