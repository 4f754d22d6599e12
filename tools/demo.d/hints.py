"""Commands to try on a fleet that stays up; each works as it stands, typed into bash."""
import os
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parents[2]


class Hint(NamedTuple):
    name: str
    command: str


def commands(fleet, directory, session, caller_wav, agent_wav, out):
    """fleet: what fleet_view.View shows of it; directory: the fleet's; session: one that has events, or ""."""
    pki = Path(directory) / "pki"
    tools = Path(os.environ.get("FLATTONE_TOOLS", Path.home() / ".cache" / "flattone")) / "go" / "bin"
    curl = f"curl --cacert {fleet.public_ca} -H 'Authorization: Bearer {fleet.api_key}'"
    change = "-H 'Content-Type: application/json' -H \"Idempotency-Key: try-$RANDOM\""
    intent = '{"order_reference": "order-1", "purpose": "PURPOSE_CHARGE", "amount": {"amount_minor": "1999", "currency_code": "EUR"}}'
    session_body = f'{{"call_reference": "mine-1", "agent": "me", "intent": {intent}}}'
    events = f"{fleet.rest}/v1/sessions/{session}/events" if session else f"{fleet.rest}/v1/events"
    return [
        Hint("payments", f"{curl} {fleet.rest}/v1/payments"),
        Hint("events", f"{curl} {events}"),
        Hint("session", f"{curl} {change} -d '{session_body}' {fleet.rest}/v1/sessions"),
        Hint("grpc", f"{tools}/grpcurl -cacert {fleet.public_ca} -H 'authorization: Bearer {fleet.api_key}' {fleet.public_grpc} "
                     "flattone.session.v1.SessionService/ListPayments"),
        Hint("relays", f"{tools}/grpcurl -cacert {fleet.ca} -cert {pki}/operator.pem -key {pki}/operator.key "
                       f"{fleet.end['orchestrators'][0]} flattone.session.v1.SessionAdminService/ListRelays"),
        Hint("call", f"FLATTONE_API_KEY={fleet.api_key} {TOP}/tools/call --relay {fleet.relay} --cert {fleet.edge_cert} "
                     f"--key {fleet.edge_key} --ca {fleet.ca} \\\n    --tenant {fleet.tenant} --api {fleet.public_grpc} "
                     f"--api-ca {fleet.public_ca} --caller-wav {caller_wav} --agent-wav {agent_wav} --out {out}"),
        Hint("show", f"{TOP}/tools/fleet show --dir {directory}"),
        Hint("down", f"{TOP}/tools/fleet down --dir {directory}"),
    ]


BEFORE = {"payments": "The fleet stays up. Try, with the test key of this fleet:\n",
          "call": "\nA whole payment in a call of your own (a made-up card, both sides recorded in the folder after --out):\n",
          "show": "\nWhat runs where; and the fleet's end:\n"}


def text(hints):
    """As the demo prints them."""
    lines = []
    for name, command in hints:
        if name in BEFORE:
            lines.append(BEFORE[name])
        lines.append(f"  {command}")
    return "\n" + "\n".join(lines) + "\n"
