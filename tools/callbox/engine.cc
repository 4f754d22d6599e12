#include "tools/callbox/engine.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tools/callbox/bytes.h"

namespace flattone::call {
namespace {

int64_t MonotonicNanos() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

bool IsRtcp(std::span<const uint8_t> bytes) { return bytes.size() >= 8 && bytes[1] >= 192 && bytes[1] <= 223; }

void Note(Leg& leg, const std::vector<uint8_t>& bytes, int64_t now) {
  if (bytes.size() < 12) return;
  leg.octets_sent += static_cast<int64_t>(bytes.size()) - 12;
  leg.last_sequence = Load16(bytes.data() + 2);
  leg.last_timestamp = Load32(bytes.data() + 4);
  leg.last_ssrc = Load32(bytes.data() + 8);
  if ((bytes[1] & 0x7F) <= 8) leg.send_times.Sent(leg.last_ssrc, leg.last_timestamp, now);
}

void Watch(int epoll, int fd, void* what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = what;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const std::string& bind_host, int shared_sockets) {
  if (absl::StatusOr<Address> address = MakeAddress(bind_host, 0); !address.ok()) return address.status();
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll < 0 || timer < 0 || wake < 0)
    return absl::ResourceExhaustedError(absl::StrCat("no epoll, timer or event descriptor: ", std::strerror(errno)));
  std::unique_ptr<Engine> engine(new Engine(bind_host, epoll, timer, wake));
  Watch(epoll, timer, &engine->timer_);
  Watch(epoll, wake, &engine->wake_);
  for (int i = 0; i < shared_sockets; ++i) {
    absl::StatusOr<Port*> port = engine->AddPort(true);
    if (!port.ok()) return port.status();
    engine->shared_.push_back(*port);
  }
  engine->thread_ = std::thread([raw = engine.get()] { raw->Loop(); });
  return engine;
}

Engine::~Engine() {
  if (thread_.joinable()) {
    Invoke([this] { stopping_ = true; });
    thread_.join();
  }
  close(epoll_);
  close(timer_);
  close(wake_);
}

absl::StatusOr<Port*> Engine::AddPort(bool shared) {
  absl::StatusOr<std::unique_ptr<UdpSocket>> socket = UdpSocket::Open(host_, true);
  if (!socket.ok()) return socket.status();
  auto port = std::make_unique<Port>();
  port->socket = std::move(*socket);
  port->shared = shared;
  Watch(epoll_, port->socket->fd(), port.get());
  Port* raw = port.get();
  std::lock_guard lock(mutex_);
  ports_.push_back(std::move(port));
  return raw;
}

absl::StatusOr<Port*> Engine::OpenPort() {
  if (shared_.empty()) return AddPort(false);
  std::lock_guard lock(mutex_);
  return shared_[next_shared_++ % shared_.size()];
}

void Engine::ClosePort(Port* port) {
  if (port->shared) return;
  Invoke([this, port] {  // on the loop's thread: no event of this socket is being handled meanwhile
    std::lock_guard lock(mutex_);
    std::erase_if(ports_, [port](const auto& each) { return each.get() == port; });
  });
}

void Engine::Invoke(const std::function<void()>& work) {
  bool finished = false;
  std::unique_lock lock(mutex_);
  work_.emplace_back(&work, &finished);
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof one) < 0) return;
  done_.wait(lock, [&finished] { return finished; });
}

void Engine::RunWork() {
  uint64_t count;
  while (read(wake_, &count, sizeof count) > 0) {
  }
  std::vector<std::pair<const std::function<void()>*, bool*>> work;
  {
    std::lock_guard lock(mutex_);
    work.swap(work_);
  }
  for (const auto& item : work) {
    (*item.first)();
    std::lock_guard lock(mutex_);
    *item.second = true;
  }
  done_.notify_all();
}

void Engine::Start(Leg& leg, int64_t phase_ns) {
  leg.running = true;
  ++leg.generation;
  if (leg.port->shared) leg.port->legs[KeyOf(leg.remote)] = &leg;
  else leg.port->only = &leg;
  leg.next_ns = MonotonicNanos() + phase_ns;
  leg.next_rtcp_ns = leg.next_ns + leg.rtcp_interval_ns / 2;
  due_.push({leg.next_ns, &leg, leg.generation, nullptr});
}

// The heap may still hold items of a leg that stopped: they would outlive it, so they are taken out.
void Engine::Stop(Leg& leg) {
  leg.running = false;
  if (leg.port->shared) leg.port->legs.erase(KeyOf(leg.remote));
  else leg.port->only = nullptr;
  std::vector<Due> kept;
  while (!due_.empty()) {
    if (due_.top().leg != &leg) kept.push_back(due_.top());
    due_.pop();
  }
  due_ = std::priority_queue<Due, std::vector<Due>, std::greater<>>(std::greater<>(), std::move(kept));
}

void Engine::Moment(Leg& leg, int64_t now) {
  scratch_.clear();
  const int64_t wait = leg.source->Next(scratch_);
  for (Packet& packet : scratch_) {
    leg.sent.OnPacket(packet.bytes, WallNanos());
    if (!leg.impaired) {
      outgoing_.push_back({&leg, std::move(packet)});
      continue;
    }
    times_.clear();
    leg.network.Plan(leg.next_ns, std::max<int64_t>(wait, 1000000), times_);
    auto shared = std::make_shared<Packet>(std::move(packet));
    for (int64_t at : times_) due_.push({at, &leg, leg.generation, shared});
  }
  if (leg.rtcp_interval_ns > 0 && now >= leg.next_rtcp_ns && leg.packets_sent > 0) Report(leg);
  if (wait < 0) return;
  leg.next_ns += wait;
  if (leg.next_ns < now - 1000000000) leg.next_ns = now;  // stopped for a second (SIGSTOP): do not burst
  due_.push({leg.next_ns, &leg, leg.generation, nullptr});
}

// A sender report about what has left so far (the packets of this moment leave after it).
void Engine::Report(Leg& leg) {
  leg.next_rtcp_ns += leg.rtcp_interval_ns;
  SenderReport report{.ssrc = leg.last_ssrc, .wall_ns = WallNanos(), .rtp_timestamp = leg.last_timestamp,
                      .packets = static_cast<uint32_t>(leg.packets_sent), .octets = static_cast<uint32_t>(leg.octets_sent)};
  const ListenerStats& heard = leg.heard.stats();
  if (heard.packets > 0)
    report.about = ReceptionReport{.ssrc = leg.heard.ssrc(), .fraction_lost = 0, .lost = static_cast<int32_t>(heard.lost),
                                   .highest_sequence = leg.heard.highest_sequence(),
                                   .jitter = static_cast<uint32_t>(heard.jitter_ms * 8)};
  outgoing_.insert(outgoing_.begin(), {&leg, {WriteCompound(report), true}});
}

void Engine::RunDue(int64_t now) {
  while (!due_.empty() && due_.top().at <= now) {
    const Due item = due_.top();
    due_.pop();
    lateness_.Add(now - item.at);
    if (item.packet != nullptr) outgoing_.push_back({item.leg, *item.packet});
    else Moment(*item.leg, now);
  }
  Flush();
}

void Engine::Flush() {
  std::stable_sort(outgoing_.begin(), outgoing_.end(),
                   [](const Outgoing& a, const Outgoing& b) { return a.leg->port < b.leg->port; });
  for (size_t begin = 0; begin < outgoing_.size();) {
    size_t end = begin;
    while (end < outgoing_.size() && outgoing_[end].leg->port == outgoing_[begin].leg->port) ++end;
    FlushPort(outgoing_[begin].leg->port, begin, end);
    begin = end;
  }
  outgoing_.clear();
}

void Engine::FlushPort(Port* port, size_t begin, size_t end) {
  std::vector<Datagram> datagrams;
  datagrams.reserve(end - begin);
  const int64_t now = WallNanos();
  for (size_t i = begin; i < end; ++i) {
    Leg& leg = *outgoing_[i].leg;
    const std::vector<uint8_t>& bytes = outgoing_[i].packet.bytes;
    datagrams.push_back({bytes, leg.remote});
    if (outgoing_[i].packet.rtcp) {
      ++leg.rtcp.sent;
    } else {
      ++leg.packets_sent;
      Note(leg, bytes, now);
    }
    if (leg.pcap != nullptr) leg.pcap->Add(now, port->socket->local().storage, leg.remote.storage, bytes);
  }
  const size_t sent = port->socket->Send(datagrams);
  if (sent < datagrams.size()) outgoing_[begin].leg->send_failures += static_cast<int64_t>(datagrams.size() - sent);
}

void Engine::Heard(Leg& leg, std::span<const uint8_t> bytes, const Address& from, int64_t arrival) {
  if (leg.pcap != nullptr) leg.pcap->Add(arrival, from.storage, leg.port->socket->local().storage, bytes);
  if (IsRtcp(bytes)) {
    ++leg.rtcp.received;
    if (const std::optional<SenderReport> report = ReadCompound(bytes))
      leg.rtcp.Heard(*report, leg.heard.expected(),
                     leg.packets_sent > 0 ? std::optional<uint16_t>(leg.last_sequence) : std::nullopt);
    else ++leg.rtcp.unreadable;
    return;
  }
  leg.heard.OnPacket(bytes, arrival);
  if (bytes.size() < 12 || (bytes[1] & 0x7F) > 8 || leg.other == nullptr) return;
  const int64_t left = leg.other->send_times.Of(Load32(bytes.data() + 8), Load32(bytes.data() + 4));
  if (left == 0) return;
  const bool secure = leg.secure != nullptr && leg.secure->load(std::memory_order_relaxed);
  (secure ? leg.delay_secure : leg.delay_plain).Add(arrival - left);
}

void Engine::Take(Port* port) {
  port->socket->Receive([this, port](std::span<const uint8_t> bytes, const Address& from, int64_t arrival) {
    Leg* leg = port->only;
    if (port->shared) {
      const auto found = port->legs.find(KeyOf(from));
      leg = found == port->legs.end() ? nullptr : found->second;
    }
    if (leg == nullptr) foreign_.fetch_add(1, std::memory_order_relaxed);
    else Heard(*leg, bytes, from, arrival);
  });
}

void Engine::SetTimer() {
  itimerspec when{};
  if (!due_.empty()) {
    const int64_t at = std::max<int64_t>(due_.top().at, 1);
    when.it_value = {static_cast<time_t>(at / 1000000000), static_cast<long>(at % 1000000000)};
  }
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

DelayHistogram Engine::Lateness() {
  DelayHistogram copy;
  Invoke([this, &copy] { copy = lateness_; });
  return copy;
}

void Engine::Loop() {
  std::array<epoll_event, 256> events;
  while (!stopping_) {
    SetTimer();
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    bool work = false;
    for (int i = 0; i < count; ++i) {
      void* what = events[i].data.ptr;
      if (what == &wake_) {
        work = true;  // last: it may close a port that this round still names
      } else if (what == &timer_) {
        uint64_t expirations;
        if (read(timer_, &expirations, sizeof expirations) < 0) continue;
      } else {
        Take(static_cast<Port*>(what));
      }
    }
    RunDue(MonotonicNanos());
    if (work) RunWork();
  }
}

}  // namespace flattone::call
