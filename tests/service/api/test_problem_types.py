from service.api.operations import operations
from service.api.problem_types import GRPC, GRPC_BY_TYPE, problem_types
from service.grpc.calls import CODES, CODES_BY_TYPE


def test_a_type_has_one_name_and_one_status() -> None:
    slugs = [each.slug for each in problem_types()]
    assert len(set(slugs)) == len(slugs)
    assert {"not-found", "body-too-large", "overloaded", "deadline-passed", "not-ready"} <= set(slugs)


def test_every_status_of_a_problem_is_described_where_it_can_happen() -> None:
    described = {status for operation in operations() for status in operation.problems}
    # 409 is the admin port's, which is not described; what is no HTTP asks for no operation.
    assert {each.status for each in problem_types() if not each.http_only} - {409} <= described


def test_the_page_names_the_grpc_codes_that_the_server_sends() -> None:
    assert {status: code.name for status, code in CODES.items()} == GRPC
    assert {slug: code.name for slug, code in CODES_BY_TYPE.items()} == GRPC_BY_TYPE
    common = {each.status for each in problem_types() if not each.http_only}
    assert common - {408, 415} <= set(CODES)
