"""Reflection and health on the real ports: what is served is exactly what belongs there, and says that it is ready."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import contracts
from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, VAULT

PUBLIC = "public"
SERVED = {
    RELAY: {"flattone.media.v1.MediaService", "flattone.media.v1.SecureMediaService"},
    MASKER: {"flattone.masking.v1.MaskingService"},
    VAULT: {f"flattone.vault.v1.{name}" for name in ("CaptureService", "KeyIntakeService", "CardReleaseService", "VaultAdminService")},
    ADAPTER: {"flattone.gateway.v1.PaymentGatewayService", "flattone.gateway.v1.GatewayAdminService"},
    ORCHESTRATOR: {"flattone.session.v1.FleetService", "flattone.session.v1.SessionAdminService"},
    PUBLIC: {"flattone.session.v1.SessionService", "flattone.session.v1.PlatformService"},
}
BESIDE = {"grpc.reflection.v1alpha.ServerReflection", "grpc.health.v1.Health"}


@pytest.fixture(params=list(SERVED))
def port(request, sqlite_world):
    """The port's name, and a channel to it: as the operator to an internal one, as any client to the public one."""
    fleet = sqlite_world.fleet
    if request.param == PUBLIC:
        end = fleet.endpoints()
        address = "localhost:" + end["public_grpc"][0].rsplit(":", 1)[1]
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(open(end["public_ca"], "rb").read()))
    else:
        channel = contracts.channel(fleet, "operator", fleet[request.param])
    with channel:
        yield request.param, channel


def test_reflection_lists_exactly_the_services_of_the_port_with_their_methods(port):
    name, channel = port
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == SERVED[name] | BESIDE
    for service in SERVED[name]:
        file = database.FindFileContainingSymbol(service)
        told = next(s for s in file.service if f"{file.package}.{s.name}" == service)
        assert {m.name for m in told.method} == {method for of, method, _ in contracts.methods() if of == service}


def test_every_service_of_the_port_says_that_it_is_serving(port):
    name, channel = port
    health = health_pb2_grpc.HealthStub(channel)
    for service in SERVED[name] | {"", "ready"}:
        assert health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status == health_pb2.HealthCheckResponse.SERVING, service
    for service in {s for others in SERVED.values() for s in others} - SERVED[name]:
        with pytest.raises(grpc.RpcError) as unknown:
            health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        assert unknown.value.code() == grpc.StatusCode.NOT_FOUND, service
