#include "services/media-relay/relay.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/daemon/process.h"
#include "libs/rpc/identity.h"
#include "services/media-relay/call/call_table.h"
#include "services/media-relay/control/fleet_client.h"
#include "services/media-relay/control/media_grpc_service.h"
#include "services/media-relay/control/secure_grpc_service.h"
#include "services/media-relay/hop/hop.h"
#include "services/media-relay/io/shard_loop.h"

namespace flattone::relay {
namespace {

constexpr size_t kRing = 4096;  // frames between a shard and the hop, each way

absl::StatusOr<PortBlockOptions> PortOptions(const Config& config) {
  PortBlockOptions options;
  options.socket_buffer_bytes = config.socket_buffer;
  for (const std::string& address : config.media_addresses) {
    const auto endpoint = Endpoint::From(address, 1);
    std::string& place = endpoint && endpoint->ipv6 ? options.ipv6 : options.ipv4;
    if (!endpoint || !place.empty()) {
      return InvalidField("media-address", absl::StrCat("has '", address, "'"), "one IPv4 and one IPv6 address at most");
    }
    place = address;
  }
  const std::vector<std::string> ends = absl::StrSplit(config.media_ports, '-');
  int first = 0, last = 0;
  if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &first) || !absl::SimpleAtoi(ends[1], &last) || first < 1024 ||
      last > 65535 || last <= first) {
    return InvalidField("media-ports", absl::StrCat("is '", config.media_ports, "'"), "first-last within 1024 to 65535");
  }
  options.first = static_cast<uint16_t>(first);
  options.last = static_cast<uint16_t>(last);
  return options;
}

// Four sockets a call: a limit that is too low is raised where allowed, and said at the start where not.
absl::Status CheckOpenFiles(int calls) {
  const rlim_t needed = static_cast<rlim_t>(calls) * 4 + 256;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return absl::OkStatus();
  limit.rlim_cur = std::min(needed, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return absl::OkStatus();
  return InvalidField("calls", absl::StrCat("is ", calls, " and needs ", needed, " open files"),
                      absl::StrCat("small enough for the limit of ", limit.rlim_max, " open files"));
}

std::string DefaultRelayId() {
  char host[128] = "relay";
  gethostname(host, sizeof host - 1);
  return absl::StrCat("rly_", host, "_", getpid());
}

}  // namespace

struct Relay::Parts {
  Parts(const Config& c, daemon::Process& p)
      : config(c), process(p), media_meters(p.metrics()), io_meters(p.metrics()), call_meters(p.metrics()),
        hop_meters(p.metrics()), fleet_meters(p.metrics()) {}

  Config config;
  daemon::Process& process;
  MediaMeters media_meters;
  IoMeters io_meters;
  CallMeters call_meters;
  HopMeters hop_meters;
  FleetMeters fleet_meters;
  EdgeDirectory edges;
  std::unique_ptr<PortBlock> ports;
  std::vector<std::unique_ptr<HopLink>> links;
  std::vector<std::unique_ptr<ShardLoop>> shards;
  std::unique_ptr<GrpcMaskerHop> hop;
  std::unique_ptr<FleetClient> fleet;
  std::unique_ptr<CallTable> calls;
  std::unique_ptr<MediaGrpcService> media_service;
  std::unique_ptr<SecureGrpcService> secure_service;
  std::unique_ptr<obs::GaugeFunction> free_ports;
  std::atomic<bool> draining{false};

  absl::Status Build();
  absl::Status BuildShards();
  void BuildHop();
  void BuildCalls();
};

absl::Status Relay::Parts::BuildShards() {
  ShardOptions options;
  options.slots = static_cast<uint32_t>((config.calls + config.shards - 1) / config.shards);
  options.idle_ns = absl::ToInt64Nanoseconds(config.idle_timeout);
  options.held_idle_ns = absl::ToInt64Nanoseconds(config.held_timeout);
  options.setup_ns = absl::ToInt64Nanoseconds(config.setup_timeout);
  for (int i = 0; i < config.shards; ++i) {
    links.push_back(std::make_unique<HopLink>(kRing));
    auto loop = ShardLoop::Create(options, media_meters, io_meters, *links.back(),
                                  [this, i](const Notice& notice) { calls->OnNotice(static_cast<uint32_t>(i), notice); },
                                  process.clock());
    if (!loop.ok()) return loop.status();
    shards.push_back(*std::move(loop));
  }
  return absl::OkStatus();
}

void Relay::Parts::BuildHop() {
  std::vector<GrpcMaskerHop::Masker> maskers;
  for (const std::string& address : config.masker_addresses) {
    maskers.push_back({address, process.Dial(address, rpc::kDtmfMasking)});
  }
  hop = std::make_unique<GrpcMaskerHop>(std::move(maskers), process.clock(), hop_meters, process.log());
  std::vector<GrpcMaskerHop::Shard> ends;
  for (size_t i = 0; i < shards.size(); ++i) {
    ends.push_back({links[i].get(), [loop = shards[i].get()] { loop->Wake(); }});
  }
  hop->SetShards(std::move(ends));
  hop->SetSink([this](LegNotice notice) { calls->OnLegNotice(std::move(notice)); });
}

void Relay::Parts::BuildCalls() {
  CallTableOptions options;
  options.slots = static_cast<uint32_t>((config.calls + config.shards - 1) / config.shards);
  options.start_limit_ns = absl::ToInt64Nanoseconds(config.start_limit);
  options.limits.deadline_ns = absl::ToInt64Nanoseconds(config.frame_deadline);
  options.limits.stall_ns = absl::ToInt64Nanoseconds(config.stall_limit);
  std::vector<ShardLoop*> loops;
  std::vector<HopLink*> rings;
  for (size_t i = 0; i < shards.size(); ++i) {
    loops.push_back(shards[i].get());
    rings.push_back(links[i].get());
  }
  calls = std::make_unique<CallTable>(
      options, loops, rings, *ports, *hop, edges, [this](CallEvent event) { if (fleet) fleet->Report(event); },
      process.clock(), process.random(), call_meters, process.log());
}

absl::Status Relay::Parts::Build() {
  auto options = PortOptions(config);
  if (!options.ok()) return options.status();
  if (auto status = CheckOpenFiles(config.calls); !status.ok()) return status;
  if (config.masker_addresses.empty()) return InvalidField("masker-addresses", "is empty", "at least one host:port");
  if (config.relay_id.empty()) config.relay_id = DefaultRelayId();
  auto block = PortBlock::Create(*options, process.random());
  if (!block.ok()) return block.status();
  ports = *std::move(block);
  if (auto status = BuildShards(); !status.ok()) return status;
  BuildHop();
  BuildCalls();
  const bool ipv6 = !ports->has(false);
  free_ports = std::make_unique<obs::GaugeFunction>(process.metrics(), "flattone_relay_free_port_pairs",
                                                    "Pairs of media ports that are free",
                                                    [this, ipv6] { return static_cast<double>(ports->free_pairs(ipv6)); });
  media_service = std::make_unique<MediaGrpcService>(*calls, config.relay_id, process.random());
  secure_service = std::make_unique<SecureGrpcService>(*calls, config.relay_id, process.random());
  process.Add<flattone::media::v1::MediaService>(media_service.get());
  process.Add<flattone::media::v1::SecureMediaService>(secure_service.get());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Relay>> Relay::Create(const Config& config, daemon::Process& process) {
  auto parts = std::make_unique<Parts>(config, process);
  if (auto status = parts->Build(); !status.ok()) return status;
  return std::unique_ptr<Relay>(new Relay(std::move(parts)));
}

Relay::Relay(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Relay::~Relay() = default;

absl::Status Relay::Start() {
  Parts& p = *parts_;
  for (auto& shard : p.shards) shard->Start();
  p.hop->Start();
  FleetOptions options;
  options.relay_id = p.config.relay_id;
  options.grpc_address = p.config.advertise_address.empty() ? absl::StrCat("127.0.0.1:", p.process.grpc_port())
                                                            : p.config.advertise_address;
  options.media_addresses = p.config.media_addresses;
  const bool ipv6 = !p.ports->has(false);
  p.fleet = std::make_unique<FleetClient>(
      options, p.process.Dial(p.config.orchestrator_address, rpc::kSessionOrchestration), p.edges,
      [&p, ipv6] {
        return FleetClient::Load{static_cast<uint32_t>(p.calls->calls()), static_cast<uint32_t>(p.calls->capacity()),
                                 static_cast<uint32_t>(p.ports->free_pairs(ipv6)),
                                 static_cast<uint32_t>(p.calls->secure_calls()), p.draining};
      },
      p.process.clock(), p.process.random(), p.fleet_meters, p.process.log());
  p.fleet->Start();
  return absl::OkStatus();
}

void Relay::Drain(absl::Time deadline) {
  Parts& p = *parts_;
  p.draining = true;
  p.calls->SetDraining(true);
  p.fleet->Poke();
  const absl::Time until = deadline - absl::Seconds(1);  // the rest is for reports and sockets
  while (p.calls->calls() > 0 && p.process.clock().Now() < until) absl::SleepFor(absl::Milliseconds(50));
  p.calls->EndAll("relay shut down");
  p.fleet->Stop(std::min(absl::Seconds(1), deadline - p.process.clock().Now()));
}

void Relay::Stop() {
  Parts& p = *parts_;
  if (p.fleet) p.fleet->Stop(absl::ZeroDuration());
  p.hop->Stop();
  p.calls->EndAll("relay shut down");
  for (auto& shard : p.shards) shard->Stop();
}

}  // namespace flattone::relay
