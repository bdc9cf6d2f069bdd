"""What a Redfish service tells strangers: its root (DSP0266 asks for no log-in there)."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from hwdrivers.address import BMCAddress, Scheme
from hwdrivers.told import told, told_uuid

_MAX_BYTES = 256 * 1024


@dataclass(frozen=True)
class ServiceRoot:
    version: str | None = None
    vendor: str | None = None
    product: str | None = None
    uuid: str | None = None


def stranger(timeout: float) -> httpx.AsyncClient:
    """A client for asking BMCs that we do not know: no certificate is checked, and nothing secret is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # BMCs of 2012 to 2016 offer TLS 1.0 and 1024-bit keys only; they are found all the same.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    # No redirects: one may lead out of the range that was given. No proxy from the environment.
    return httpx.AsyncClient(
        verify=context,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


async def read_service_root(client: httpx.AsyncClient, address: BMCAddress) -> ServiceRoot | None:
    """None: it is no Redfish service, or does not answer."""
    for path in ("/redfish/v1/", "/redfish/v1"):  # some services know only one of the two
        status, document = await _get(client, address.base_url + path)
        if "RedfishVersion" in document or _kind(document).startswith("#ServiceRoot."):
            return _read(document)
        if status is None:
            return None
    # A root behind a log-in (against DSP0266), or a service that is too busy to show it: what versions there
    # are is told by a document that is as small as they come.
    _, versions = await _get(client, address.base_url + "/redfish")
    return ServiceRoot() if versions.get("v1") in ("/redfish/v1/", "/redfish/v1") else None


async def _get(client: httpx.AsyncClient, url: str) -> tuple[int | None, dict[str, Any]]:
    """Status and document; no status: nobody answers in HTTP, {}: not with an object of JSON."""
    status: int | None = None
    try:
        async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
            status = response.status_code
            if status != 200:
                return status, {}
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES:
                    return status, {}
            document = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
        return status, {}
    return status, document if isinstance(document, dict) else {}


def _read(document: dict[str, Any]) -> ServiceRoot:
    return ServiceRoot(
        version=told(document.get("RedfishVersion")),
        vendor=told(document.get("Vendor")) or _oem_vendor(document.get("Oem")),
        product=told(document.get("Product")),
        uuid=told_uuid(document.get("UUID")),
    )


def _oem_vendor(oem: object) -> str | None:
    # iDRAC 7 and iLO 5 tell no Vendor (it came with ServiceRoot 1.5.0), but their Oem section is named so.
    return next((told(key) for key in oem), None) if isinstance(oem, dict) else None


def _kind(document: dict[str, Any]) -> str:
    kind = document.get("@odata.type")
    return kind if isinstance(kind, str) else ""


@dataclass(frozen=True)
class RedfishPort:
    """A TCP port where a Redfish service may listen."""

    number: int
    tls: bool = True

    @property
    def scheme(self) -> Scheme:
        return Scheme.REDFISH_HTTPS if self.tls else Scheme.REDFISH_HTTP
