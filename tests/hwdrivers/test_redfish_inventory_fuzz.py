"""Documents with types changed, links that lead in circles or nowhere: the reader goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwdrivers.inventory import Inventory
from hwdrivers.redfish.inventory import read_inventory

DATA = Path(__file__).parents[1] / "data" / "hwdrivers"
SYSTEMS = {
    "dmtf-rackmount1.json": "437XR1138R2",
    "supermicro-x10.json": "1",
    "dell-r820.json": "System.Embedded.1",
}
TREES = {
    name: {path.rstrip("/"): document for path, document in json.loads((DATA / name).read_text()).items()}
    for name in SYSTEMS
}
ROOT = "/redfish/v1"
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([None, 1, "x", [[]], {"@odata.id": 5}]),
    st.just({"@odata.id": ROOT}),
    st.just([{"@odata.id": f"{ROOT}/Systems"}, {"@odata.id": "//evil/x"}, {"@odata.id": f"{ROOT}#/Links/9"}]),
    st.just({"Members": [{"@odata.id": f"{ROOT}/Chassis"}], "Members@odata.nextLink": f"{ROOT}/Systems"}),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SYSTEMS)), st.data())
def test_any_value_may_be_of_any_type(name: str, data: st.DataObject) -> None:
    rate = data.draw(st.sampled_from((3, 10, 40)))
    odd = data.draw(st.lists(STRANGE, min_size=1, max_size=4))
    chosen = data.draw(st.randoms(use_true_random=False))

    def changed(value: Any) -> Any:
        if chosen.randrange(rate) == 0:
            return chosen.choice(odd)
        if isinstance(value, dict):
            return {key: changed(inside) for key, inside in value.items()}
        return [changed(inside) for inside in value] if isinstance(value, list) else value

    def get(path: str) -> Any:
        return changed(TREES[name].get(path.rstrip("/")))

    found = read_inventory(get, f"{ROOT}/Systems/{SYSTEMS[name]}")
    assert Inventory.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_service_that_answers_everything_with_new_links_is_left_at_some_point() -> None:
    asked: list[str] = []

    def get(path: str) -> dict[str, Any]:
        asked.append(path)
        more = [{"@odata.id": f"{path}/{number}"} for number in range(3)]
        names = ("Systems", "Chassis", "Managers", "Processors", "Memory", "Storage", "PCIeDevices", "Drives")
        links = {name: {"@odata.id": f"{path}/{name}"} for name in names}
        return {"Members": more, "Members@odata.nextLink": f"{path}/next", **links}

    assert read_inventory(get, f"{ROOT}/Systems/1").vendor is None
    assert len(asked) <= 5000
