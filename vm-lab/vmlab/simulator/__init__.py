"""A fleet of simulated BMCs in one process: IPMI 2.0 and Redfish, each address of a block a BMC of its own.

How tests use it (tests/hwdrivers/simulated.py makes endpoints of it)::

    from vmlab.simulator import Settings, Simulation

    with Simulation(Settings(bmcs=1000)) as fleet:  # a process of its own on free ports, ended with the block
        first = fleet.addresses[0]                  # "127.64.0.1"
        fleet.ipmi(first)                           # "ipmi://127.64.0.1:40123", as our drivers take it
        fleet.redfish(first)                        # "redfish+http://127.64.0.1:40124"
        fleet.fault("lockout=60", "127.64.0.1-20")  # KIND[=VALUE], addresses (none: all); see faults.py
        fleet.clear()                               # ends faults, locks and reboots
        fleet.remembered(first)["wrong_passwords"]  # what was done to one BMC: see Machine.remembered
        fleet.totals()["logins"]                    # and to all together

User and password are `settings.username` and `settings.password`. One machine has one power state, one serial
number and one set of accounts, whichever protocol asks. It imports nothing of `hwdrivers`: it checks the
drivers by the specifications, not by themselves.

An IPMI client that sees from the BMC's answer that its password is wrong may just leave: such a log-in is
counted as `unfinished`, not as a wrong password. `logins` counts every attempt.
"""

from vmlab.simulator.settings import Settings
from vmlab.simulator.simulation import Control, Simulation

__all__ = ["Control", "Settings", "Simulation"]
