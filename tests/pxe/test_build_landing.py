"""An image's folder is either the old image or the new one, whatever happens in between."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pxe.build.landing import bring
from pxe.build.manifest import Kind
from pxe.build.progress import Silent
from pxe.build.recipe import Product, Workshop
from pxe.images import load_container, verify


@dataclass
class TextRecipe:
    """Makes a file with its text in it; remembers how often, and can fail or dawdle."""

    text: str = "content"
    made: int = 0
    failure: BaseException | None = None
    started: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event | None = None

    @property
    def name(self) -> str:
        return "sample"

    @property
    def kind(self) -> Kind:
        return "container"

    def fingerprint(self) -> str:
        return self.text

    def make(self, workshop: Workshop) -> Product:
        self.made += 1
        self.started.set()
        if self.go_on is not None:
            assert self.go_on.wait(10)
        (workshop.scratch / "rubbish").write_text("rubbish")
        (workshop.product / "image.tar").write_text(self.text)
        if self.failure is not None:
            raise self.failure
        return Product({"archive": "image.tar"}, packages=("libc6=2.36",))


def content(images: Path) -> str:
    image = load_container(images, "sample")
    verify(image)
    return image.path.read_text()


def leftovers(images: Path) -> list[str]:
    return sorted(path.name for path in images.iterdir() if path.name not in ("sample", ".sample.lock"))


def test_a_build_leaves_the_image_and_nothing_else(tmp_path: Path) -> None:
    landed = bring(TextRecipe(), tmp_path / "images", Silent())
    assert landed.built_now
    assert landed.manifest.packages == ("libc6=2.36",)
    assert content(tmp_path / "images") == "content"
    assert leftovers(tmp_path / "images") == []


def test_an_intact_image_of_the_same_recipe_is_not_built_again(tmp_path: Path) -> None:
    recipe = TextRecipe()
    bring(recipe, tmp_path, Silent())
    assert not bring(recipe, tmp_path, Silent()).built_now
    assert recipe.made == 1


def test_force_builds_again(tmp_path: Path) -> None:
    recipe = TextRecipe()
    bring(recipe, tmp_path, Silent())
    assert bring(recipe, tmp_path, Silent(), force=True).built_now
    assert recipe.made == 2


def test_a_changed_recipe_replaces_the_image(tmp_path: Path) -> None:
    bring(TextRecipe("old"), tmp_path, Silent())
    bring(TextRecipe("new"), tmp_path, Silent())
    assert content(tmp_path) == "new"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("damage", ["conten", "CONTENT"], ids=["truncated", "altered"])
def test_a_damaged_image_is_built_again(tmp_path: Path, damage: str) -> None:
    bring(TextRecipe(), tmp_path, Silent())
    (tmp_path / "sample/image.tar").write_text(damage)
    assert bring(TextRecipe(), tmp_path, Silent()).built_now
    assert content(tmp_path) == "content"


def test_an_image_whose_manifest_is_broken_is_built_again(tmp_path: Path) -> None:
    bring(TextRecipe(), tmp_path, Silent())
    (tmp_path / "sample/manifest.json").write_text("{")
    assert bring(TextRecipe(), tmp_path, Silent()).built_now


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError("disk full")])
def test_an_interrupted_build_leaves_the_old_image(tmp_path: Path, failure: BaseException) -> None:
    bring(TextRecipe("old"), tmp_path, Silent())
    with pytest.raises(type(failure)):
        bring(TextRecipe("new", failure=failure), tmp_path, Silent())
    assert content(tmp_path) == "old"
    assert leftovers(tmp_path) == []


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".sample.building-k1ll3d/scratch/root").mkdir(parents=True)
    bring(TextRecipe(), tmp_path, Silent())
    assert leftovers(tmp_path) == []


def test_an_image_that_was_being_replaced_when_the_power_failed_comes_back(tmp_path: Path) -> None:
    bring(TextRecipe(), tmp_path, Silent())
    (tmp_path / "sample").rename(tmp_path / ".sample.replaced")
    assert not bring(TextRecipe(), tmp_path, Silent()).built_now
    assert content(tmp_path) == "content"


def test_of_two_builds_at_once_the_second_finds_the_first_ones_image(tmp_path: Path) -> None:
    first, second = TextRecipe(go_on=threading.Event()), TextRecipe()
    one = threading.Thread(target=bring, args=(first, tmp_path, Silent()))
    one.start()
    assert first.started.wait(10)
    two = threading.Thread(target=bring, args=(second, tmp_path, Silent()))
    two.start()
    assert first.go_on is not None
    first.go_on.set()
    one.join(10)
    two.join(10)
    assert (first.made, second.made) == (1, 0)
    assert content(tmp_path) == "content"
