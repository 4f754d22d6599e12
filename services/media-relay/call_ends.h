// The far ends of a call in tests: maskers that do as they are told, phones with a socket on loopback.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "flattone/masking/v1/masking.grpc.pb.h"
#include "libs/rtp/packet.h"
#include "services/media-relay/io/sockaddr.h"

namespace flattone::relay::testing {

// Answers every frame with `fill`; can refuse, fall silent, speak of other things, or hang up.
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
      closed += request.close_size();
      batches += request.frames_size() != 0;
      frames += request.frames_size();
      if (silent) continue;
      if (deaf) {  // says something for 300 ms, and nothing of these frames
        for (int i = 0; i < 60; ++i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
          stream->Write(masking::MaskResponse());
        }
        continue;
      }
      if (hang_up) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
      masking::MaskResponse response;
      response.set_sent_ns(request.sent_ns());
      for (const masking::OpenLeg& open : request.open()) {
        masking::LegEvent& event = *response.add_events();
        event.set_leg(open.leg());
        const bool no = refuse && !open.capture_id().empty();  // a leg without a capture needs no vault
        event.set_kind(no ? masking::LEG_EVENT_KIND_REFUSED : masking::LEG_EVENT_KIND_OPENED);
        event.set_detail(no ? "no such capture" : "");
        if (full) {
          event.set_kind(masking::LEG_EVENT_KIND_REFUSED);
          event.set_detail("no room");
          event.set_another_may(true);
        }
        last_epoch = open.masker_epoch();
        ++opened;
      }
      for (const masking::Frame& frame : request.frames()) {
        before += frame.before_start();
        if (frame.redundant() || frame.before_start()) continue;
        masking::MaskedFrame& masked = *response.add_frames();
        masked.set_leg(frame.leg());
        masked.set_timestamp(frame.timestamp());
        masked.set_sequence(frame.sequence());
        masked.set_payload(std::string(frame.payload().size(), static_cast<char>(fill_)));
        const bool calm = quiet.exchange(false);
        masked.set_altered(!calm);
        if (calm) {
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

  std::atomic<bool> silent{false}, refuse{false}, full{false}, hang_up{false}, quiet{false}, deaf{false};
  std::atomic<uint32_t> last_epoch{0};
  std::atomic<int> opened{0}, closed{0}, before{0};
  std::atomic<int> batches{0}, frames{0};  // batches that held frames, and the frames in them

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

}  // namespace flattone::relay::testing
