"""One line of text becomes an address; what is not there is left out, nothing is guessed."""

import pytest

from actions.rasa_actions.address_step import parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Lindenweg 4, 10115 Berlin", {"line1": "Lindenweg 4", "postcode": "10115", "city": "Berlin"}),
        (
            "please send it to Lindenweg 4, 10115 Berlin, Germany",
            {"line1": "Lindenweg 4", "postcode": "10115", "city": "Berlin", "country": "DE"},
        ),
        (
            "Rue de Rivoli 12, Apt 3, 75001 Paris, France",
            {"line1": "Rue de Rivoli 12", "line2": "Apt 3", "postcode": "75001", "city": "Paris", "country": "FR"},
        ),
        (
            "445 Maple Drive, Suite 394, Denver, CO 80201, USA",
            {"line1": "445 Maple Drive", "line2": "Suite 394", "city": "Denver", "region": "CO", "postcode": "80201",
             "country": "US"},
        ),
        (
            "12 High Street, Leeds, LS1 4AB, UK",
            {"line1": "12 High Street", "city": "Leeds", "postcode": "LS1 4AB", "country": "GB"},
        ),
        ("my address is Am Elbe 9 in 20095 Hamburg", {"line1": "Am Elbe 9", "postcode": "20095", "city": "Hamburg"}),
        ("Hafenstr. 9, Hamburg", {"line1": "Hafenstr. 9", "city": "Hamburg"}),
        ("地址改成北京市朝阳区建国路8号 100022", {"city": "北京市", "line1": "朝阳区建国路8号", "postcode": "100022"}),
        (
            "广东省深圳市南山区科技路1号，518000",
            {"region": "广东省", "city": "深圳市", "line1": "南山区科技路1号", "postcode": "518000"},
        ),
        ("I want another one", {}),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart(text: str, parts: dict[str, str]) -> None:
    assert parse(text) == parts
