// Calls over real sockets on loopback, with maskers that do as they are told: what tests of calls and hop share.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "flattone/masking/v1/masking.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/rtp/packet.h"
#include "services/media-relay/call/call_table.h"
#include "services/media-relay/hop/hop.h"
#include "services/media-relay/io/sockaddr.h"

namespace flattone::relay::testing {

// Answers every frame with `fill`; can refuse, fall silent or hang up.
class FakeMasker final : public flattone::masking::v1::MaskingService::Service {
 public:
  explicit FakeMasker(uint8_t fill) : fill_(fill) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeMasker() override { server_->Shutdown(std::chrono::system_clock::time_point()); }

  grpc::Status Mask(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<flattone::masking::v1::MaskResponse, flattone::masking::v1::MaskRequest>* stream) override {
    namespace masking = flattone::masking::v1;
    stream->SendInitialMetadata();
    masking::MaskRequest request;
    while (stream->Read(&request)) {
      if (silent) continue;
      if (hang_up) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
      masking::MaskResponse response;
      response.set_sent_ns(request.sent_ns());
      for (const masking::OpenLeg& open : request.open()) {
        masking::LegEvent& event = *response.add_events();
        event.set_leg(open.leg());
        const bool no = refuse && !open.capture_id().empty();  // a leg without a capture needs no vault
        event.set_kind(no ? masking::LEG_EVENT_KIND_REFUSED : masking::LEG_EVENT_KIND_OPENED);
        event.set_detail(no ? "no such capture" : "");
        last_epoch = open.masker_epoch();
        ++opened;
      }
      closed += request.close_size();
      for (const masking::Frame& frame : request.frames()) {
        if (frame.redundant()) continue;
        masking::MaskedFrame& masked = *response.add_frames();
        masked.set_leg(frame.leg());
        masked.set_timestamp(frame.timestamp());
        masked.set_sequence(frame.sequence());
        masked.set_payload(std::string(frame.payload().size(), static_cast<char>(fill_)));
        masked.set_altered(true);
        if (quiet.exchange(false)) {
          masking::LegEvent& event = *response.add_events();
          event.set_leg(frame.leg());
          event.set_kind(masking::LEG_EVENT_KIND_QUIET);
        }
      }
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  std::shared_ptr<grpc::Channel> Channel() {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials());
  }

  std::atomic<bool> silent{false}, refuse{false}, hang_up{false}, quiet{false};
  std::atomic<uint32_t> last_epoch{0};
  std::atomic<int> opened{0}, closed{0};

 private:
  const uint8_t fill_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// One end of a call: a socket that sends voice and hears.
class Phone {
 public:
  Phone() : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    SocketAddress address;
    const socklen_t size = ToSocketAddress(*Endpoint::From("127.0.0.1", 0), address);
    bind(fd_, &address.any, size);
    socklen_t length = sizeof address;
    getsockname(fd_, &address.any, &length);
    port = FromSocketAddress(address).port;
  }
  ~Phone() { close(fd_); }

  std::string Sdp(const std::string& formats = "0 8 101") const {
    return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio " + std::to_string(port) +
           " RTP/AVP " + formats + "\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n";
  }
  void SendTo(uint16_t relay_port, uint16_t sequence, uint8_t fill, uint8_t payload_type = 0) const {
    std::vector<uint8_t> bytes(172), payload(160, fill);
    rtp::WritePacket({.payload_type = payload_type, .marker = false, .sequence = sequence, .timestamp = sequence * 160u,
                      .ssrc = 0xcafe}, payload, bytes);
    SocketAddress address;
    const socklen_t size = ToSocketAddress(*Endpoint::From("127.0.0.1", relay_port), address);
    sendto(fd_, bytes.data(), bytes.size(), 0, &address.any, size);
  }
  // The next packet's first payload byte; -1 when none comes in time.
  int Hear(int timeout_ms = 2000) const {
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, timeout_ms) != 1) return -1;
    uint8_t bytes[2048];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    const auto packet = rtp::PacketView::Parse({bytes, static_cast<size_t>(std::max<ssize_t>(got, 0))});
    return packet && !packet->payload().empty() ? packet->payload()[0] : -2;
  }
  uint16_t port = 0;

 private:
  int fd_;
};

inline uint16_t PortOf(const std::string& sdp) { return sdp::Description::Parse(sdp)->audio().port; }

class CallRig {
 public:
  explicit CallRig(SecureLimits limits = {})
      : media(registry), io(registry), call_meters(registry), hop_meters(registry),
        log({.service = "media-relay", .level = obs::Level::kInfo, .file = {}, .burst = 20, .period = absl::Seconds(10)},
            SystemClock(), registry, [](std::string_view) {}),
        link(1024), first(0x11), second(0x22) {
    edges.Replace(1, {{"one", {"ten_a", "ten_b"}, Side::kCaller}, {"two", {"ten_a"}, Side::kAgent}});
    ports = *PortBlock::Create({.ipv4 = "127.0.0.1", .ipv6 = {}, .first = 20000, .last = 29999}, SystemRandom());
    loop = *ShardLoop::Create({.slots = 8}, media, io, link, [this](const Notice& n) { calls->OnNotice(0, n); }, SystemClock());
    hop = std::make_unique<GrpcMaskerHop>(
        std::vector<GrpcMaskerHop::Masker>{{"first", first.Channel()}, {"second", second.Channel()}}, SystemClock(), hop_meters, log);
    hop->SetShards({{&link, [this] { loop->Wake(); }}});
    hop->SetSink([this](LegNotice notice) { calls->OnLegNotice(std::move(notice)); });
    CallTableOptions options;
    options.slots = 8;
    options.limits = limits;
    options.start_limit_ns = 1'000'000'000;
    calls = std::make_unique<CallTable>(options, std::vector<ShardLoop*>{loop.get()}, std::vector<HopLink*>{&link}, *ports, *hop,
                                        edges, [this](CallEvent event) { Note(event); }, SystemClock(), SystemRandom(), call_meters, log);
    loop->Start();
    hop->Start();
  }
  ~CallRig() {
    hop->Stop();
    calls->EndAll("test over");
    loop->Stop();
  }

  // Waits until it holds, at most five seconds.
  template <typename Condition>
  bool Until(Condition condition) {
    std::unique_lock lock(mutex);
    for (int i = 0; i < 500; ++i) {
      lock.unlock();
      if (condition()) return true;
      lock.lock();
      changed.wait_for(lock, std::chrono::milliseconds(10));
    }
    return false;
  }
  bool MaskersReady(int count = 2) {
    return Until([&] { return registry.Value("flattone_relay_hop_streams") >= count; });
  }
  bool Told(CallEvent::Kind kind) {
    return Until([&] {
      const std::lock_guard lock(mutex);
      for (const CallEvent& event : events) {
        if (event.kind == kind) return true;
      }
      return false;
    });
  }

  // A call between the two phones; the ports that each is to send to.
  void Connect(const std::string& tenant = "ten_a", const std::string& formats = "0 8 101") {
    const auto offer = calls->Offer(Request(tenant, caller.Sdp(formats), Side::kCaller));
    to_agent_sdp = offer->sdp;
    call_id = offer->call_id;
    const auto answer = calls->Answer(Request(tenant, agent.Sdp(formats), Side::kAgent));
    agent_port = PortOf(offer->sdp);
    caller_port = PortOf(answer->sdp);
  }
  SdpRequest Request(const std::string& tenant, const std::string& sdp, std::optional<Side> from, const std::string& edge = "one") {
    SdpRequest request;
    request.edge_id = edge;
    request.tenant_id = tenant;
    request.call_reference = "ref-1";
    request.from = from;
    request.sdp = sdp;
    return request;
  }
  absl::StatusOr<SecureReply> Start(const std::string& capture, const std::string& tenant = "ten_a") {
    std::promise<absl::StatusOr<SecureReply>> promise;
    auto future = promise.get_future();
    SecureRequest request;
    request.tenant_id = tenant;
    request.call_id = call_id;
    request.capture_id = capture;
    request.vault_address = "127.0.0.1:1";
    calls->StartSecure(request, [&](absl::StatusOr<SecureReply> reply) { promise.set_value(std::move(reply)); });
    return future.get();
  }
  // The caller says a packet, the agent hears.
  int Say(uint16_t sequence, uint8_t fill = 0x55) {
    caller.SendTo(caller_port, sequence, fill);
    return agent.Hear();
  }
  SecureMode Mode() { return calls->Get("ten_a", call_id)->mode; }

  void Note(CallEvent event) {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<CallEvent> events;
  obs::Registry registry;
  MediaMeters media;
  IoMeters io;
  CallMeters call_meters;
  HopMeters hop_meters;
  obs::Logger log;
  HopLink link;
  EdgeDirectory edges;
  FakeMasker first, second;
  std::unique_ptr<PortBlock> ports;
  std::unique_ptr<ShardLoop> loop;
  std::unique_ptr<GrpcMaskerHop> hop;
  std::unique_ptr<CallTable> calls;
  Phone caller, agent;
  std::string to_agent_sdp, call_id;
  uint16_t caller_port = 0, agent_port = 0;
};

}  // namespace flattone::relay::testing
