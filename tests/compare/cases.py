"""All cases. The list of differences refers to their names."""

from tests.compare import cases_of_answers, cases_of_connections, cases_of_requests
from tests.compare.case import Case

KINDS = (
    cases_of_requests.methods,
    cases_of_requests.paths,
    cases_of_requests.routing,
    cases_of_requests.fields,
    cases_of_requests.bodies,
    cases_of_requests.expectations,
    cases_of_answers.statuses,
    cases_of_answers.redirects,
    cases_of_answers.answers,
    cases_of_answers.broken_answers,
    cases_of_connections.protocol,
    cases_of_connections.malformed,
    cases_of_connections.websockets,
)


def all_cases() -> tuple[Case, ...]:
    """Every case, in the order of the kinds above."""
    return tuple(case for kind in KINDS for case in kind())
