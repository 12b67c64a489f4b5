"""Names of views say which modality they are of."""

import pytest

from mmjax.schema.names import ViewName, modality_of, views_of


@pytest.mark.parametrize(
    ("name", "parts"),
    [("image", ("image", "")), ("image@2", ("image", "2")), ("text_fr@long", ("text_fr", "long"))],
)
def test_a_name_has_two_parts(name, parts):
    assert ViewName.parse(name) == parts
    assert str(ViewName.parse(name)) == name
    assert modality_of(name) == parts[0]


def test_views_of_a_modality_are_in_their_order():
    assert views_of("image", ["text", "image@2", "images", "image"]) == ["image@2", "image"]
