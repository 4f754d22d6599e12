// The sound of all calls: one thread, one epoll, one timer; packets leave when they are due and are recorded when
// they come. Control threads talk to it through Invoke().
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/callbox/listener.h"
#include "tools/callbox/network.h"
#include "tools/callbox/pcap_file.h"
#include "tools/callbox/rtcp.h"
#include "tools/callbox/talker.h"
#include "tools/callbox/udp.h"

namespace flattone::call {

struct Port;

// One side of a call. Made by a control thread; from Start() to Stop() only the engine's thread touches it.
struct Leg {
  Leg(std::unique_ptr<Source> source, const Impairments& impairments, const Listener::Options& options)
      : source(std::move(source)), network(impairments), impaired(impairments.any()), heard(options), sent(options) {}

  std::unique_ptr<Source> source;
  Talker* talker = nullptr;  // the source, unless a capture is replayed
  Network network;
  bool impaired;
  Listener heard;  // what came from the relay
  Listener sent;   // what was given to the network, before it was impaired
  std::unique_ptr<PcapWriter> pcap;
  Port* port = nullptr;
  Address remote;
  Leg* other = nullptr;

  int64_t packets_sent = 0, send_failures = 0;
  int64_t octets_sent = 0;  // of payload, without headers (RFC 3550's sender count)
  int64_t rtcp_interval_ns = 0;  // 0: no sender reports
  RtcpStats rtcp;
  SendTimes send_times;
  DelayHistogram delay_plain, delay_secure;  // of what this side heard, from the other's send
  const std::atomic<bool>* secure = nullptr;

  // The engine's own.
  bool running = false;
  int64_t next_ns = 0, next_rtcp_ns = 0;
  uint16_t last_sequence = 0;
  uint32_t last_timestamp = 0, last_ssrc = 0;
  uint64_t generation = 0;
};

// A socket, for one leg or shared by many, which are then told apart by the relay's address.
struct Port {
  std::unique_ptr<UdpSocket> socket;
  Leg* only = nullptr;
  std::unordered_map<uint64_t, Leg*> legs;
  bool shared = false;
};

class Engine {
 public:
  // `shared_sockets` 0: a socket for each leg; otherwise all legs share so many.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const std::string& bind_host, int shared_sockets);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // A port for one leg, for its SDP; given back with ClosePort. Any thread but the engine's.
  absl::StatusOr<Port*> OpenPort();
  void ClosePort(Port* port);
  const std::string& host() const { return host_; }

  // Runs `work` on the engine's thread and waits for it. Any thread but the engine's.
  void Invoke(const std::function<void()>& work);
  // The legs begin to speak, `phase_ns` from now, and to listen; both need port and remote. Inside Invoke only.
  void Start(Leg& leg, int64_t phase_ns);
  void Stop(Leg& leg);

  // Datagrams that came from an address no leg expects.
  int64_t foreign() const { return foreign_.load(std::memory_order_relaxed); }
  // How late packets left after they were due.
  DelayHistogram Lateness();

 private:
  struct Due {
    int64_t at;
    Leg* leg;
    uint64_t generation;
    std::shared_ptr<Packet> packet;  // null: the leg's next moment
    bool operator>(const Due& other) const { return at > other.at; }
  };
  struct Outgoing {
    Leg* leg;
    Packet packet;
  };

  Engine(std::string host, int epoll, int timer, int wake)
      : host_(std::move(host)), epoll_(epoll), timer_(timer), wake_(wake) {}
  void Loop();
  void RunWork();
  void RunDue(int64_t now);
  void Moment(Leg& leg, int64_t now);
  void Report(Leg& leg);
  void Flush();
  void FlushPort(Port* port, size_t begin, size_t end);
  void Take(Port* port);
  void Heard(Leg& leg, std::span<const uint8_t> bytes, const Address& from, int64_t arrival);
  void SetTimer();
  absl::StatusOr<Port*> AddPort(bool shared);

  std::string host_;
  int epoll_, timer_, wake_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<std::pair<const std::function<void()>*, bool*>> work_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<Port*> shared_;
  size_t next_shared_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<Outgoing> outgoing_;
  std::vector<Packet> scratch_;
  std::vector<int64_t> times_;
  std::atomic<int64_t> foreign_{0};
  DelayHistogram lateness_;
};

}  // namespace flattone::call
