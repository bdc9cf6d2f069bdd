"""The seed's power sync over a simulated fleet, store and governor included, beside the bare sweep.

Exits with 1 when a sweep of any fleet takes 10 s or more, or tells anything wrong. See README.md.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from contest import Verdict, alternate, report
from cryptography.fernet import Fernet
from processes import end_like_interrupt
from vmlab.simulator import Settings, Simulation

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.connect import connect
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.governor import Governor
from hwdrivers.sweep import Sweep
from seed.declarations import new_node
from seed.learnt import Learnt
from seed.lifecycle import ironic_39
from seed.power.sync import PowerSync
from seed.store import Store

LONGEST = 10.0  # seconds
LOGIN = Credentials("admin", Secret(secrets.token_hex(8)))


def main() -> None:
    options = _options()
    end_like_interrupt()
    good = True
    for nodes in options.nodes:
        with tempfile.TemporaryDirectory() as folder, fleet(nodes, options.protocol) as simulation:
            good &= swept(simulation, Path(folder), options)
    sys.exit(not good)


def fleet(bmcs: int, protocol: str) -> Simulation:
    ports = {"ipmi": {"redfish_port": None}, "redfish": {"ipmi_port": None}}[protocol]
    return Simulation(Settings(bmcs=bmcs, password=LOGIN.password.reveal(), latency="0", **ports))


def swept(simulation: Simulation, folder: Path, options: argparse.Namespace) -> bool:
    address = simulation.ipmi if options.protocol == "ipmi" else simulation.redfish
    addresses = [BMCAddress.parse(address(each)) for each in simulation.addresses]
    bare = Sweep()
    endpoints = [Endpoint(address, LOGIN) for address in addresses]
    alone = {"the bare sweep, cold": lambda: checked(bare, endpoints)}
    timings = alternate(alone, 1)
    timings |= alternate({"the bare sweep, warm": lambda: checked(bare, endpoints)}, options.rounds)
    bare.close()
    store = filled(folder, addresses)
    learnt = Learnt(store)
    governor = Governor(connect, Sweep(), recall=learnt.recall)
    power = PowerSync(store, ironic_39(), governor, lambda: None)
    timings |= alternate({"the seed, cold": power.sweep, "kept": lambda: learnt.save(governor)}, 1)
    simulation.press_power(simulation.addresses[0], on=True)
    again = {"the seed, warm": power.sweep, "kept again": lambda: learnt.save(governor)}
    timings |= alternate(again, options.rounds)
    governor.close()
    told = {(row["power"], row["fault"]) for row in rows(store)[1:]}
    first = rows(store)[0]["power"]
    totals = simulation.totals()
    store.close()
    verdicts = [
        Verdict(f"{timings[each].wall:.2f} s, {each}", timings[each].wall < LONGEST)
        for each in ("the seed, cold", "the seed, warm")
    ]
    right = told == {("power off", None)} and first == "power on"
    verdicts.append(Verdict(f"what the store knows of them: {told}, and {first}", right))
    most = totals["sessions_most"]
    verdicts.append(Verdict(f"{most} session(s) of a BMC at the same time", most == 1))
    return report(
        f"{len(addresses)} nodes, {options.protocol}", list(timings.values()), verdicts, options.output
    )


def checked(sweep: Sweep, endpoints: list[Endpoint]) -> None:
    wrong = [said for _, said in sweep.power(endpoints) if said is not PowerState.OFF]
    if wrong:
        sys.exit(f"MISSED: {wrong[:3]}")


def filled(folder: Path, addresses: list[BMCAddress]) -> Store:
    """A store with a node for each BMC, of unknown power."""
    store = Store(folder / "store.sqlite", Fernet(Fernet.generate_key()))
    store.migrate()
    with store.write() as tx:
        tx.credentials.put("rack", LOGIN)
        for number, address in enumerate(addresses):
            node = new_node(address, "rack", f"node-{number:05}", ())
            tx.nodes.add(node)
            tx.nodes.update(node.uuid, state="available", created_at=datetime.now(UTC))
    return store


def rows(store: Store) -> list[dict[str, object]]:
    with store.read() as tx:
        return tx.fleet.columns(["power", "fault"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1000, 5000], metavar="N")
    parser.add_argument("--protocol", choices=("ipmi", "redfish"), default="ipmi")
    parser.add_argument("--rounds", type=int, default=3, help="warm sweeps")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
