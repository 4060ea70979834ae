"""What the API answers becomes a refusal in words."""

from __future__ import annotations

import pytest
from postgrest.exceptions import APIError

from backend import errors


def answer(code: str, message: str = "", details: str = "") -> errors.AppError:
    return errors.from_api_error(APIError({"code": code, "message": message, "details": details}))


def test_our_own_refusals_keep_key_and_parameters() -> None:
    refused = answer("PT409", "order.stale", '{"who": "ann"}')
    assert (refused.key, refused.status, refused.params) == ("order.stale", 409, {"who": "ann"})


@pytest.mark.parametrize("code", ["22P02", "22003", "23505"])
def test_a_value_the_gateway_cannot_hand_over_is_a_refusal_in_words(code: str) -> None:
    refused = answer(code, "invalid input syntax for type bigint")
    assert (refused.key, refused.status) == ("request.bad_value", 422)
    assert refused.message("en") != errors.message("error.unexpected", "en")


def test_what_nobody_foresaw_stays_unexpected() -> None:
    assert (answer("XX000").key, answer("XX000").status) == ("error.unexpected", 500)
