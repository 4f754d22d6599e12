#include "services/media-relay/io/shard_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>

#include "services/media-relay/io/sockaddr.h"

namespace flattone::relay {
namespace {
constexpr uint32_t kWakeMark = UINT32_MAX;
constexpr size_t kOutbox = 256;
}  // namespace

struct ShardLoop::Vectors {
  std::array<mmsghdr, kBatch> in{};
  std::array<iovec, kBatch> in_iov{};
  std::array<SocketAddress, kBatch> in_address;
  std::array<mmsghdr, kOutbox> out{};
  std::array<iovec, kOutbox> out_iov{};
  std::array<SocketAddress, kOutbox> out_address;
};

IoMeters::IoMeters(obs::Registry& r)
    : send_failed(r, "flattone_relay_send_failed_packets_total", "Datagrams that the system did not take"),
      truncated(r, "flattone_relay_truncated_packets_total", "Datagrams longer than a receive buffer, dropped"),
      polls(r, "flattone_relay_polls_total", "Rounds of the shards' loops") {}

absl::StatusOr<std::unique_ptr<ShardLoop>> ShardLoop::Create(const ShardOptions& options, MediaMeters& media, IoMeters& io,
                                                             HopLink& link, NoticeSink notices, const Clock& clock) {
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  const int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_event event{.events = EPOLLIN, .data = {.u32 = kWakeMark}};
  if (epoll_fd < 0 || wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
    return absl::ResourceExhaustedError("cannot make an epoll set");
  }
  return std::unique_ptr<ShardLoop>(
      new ShardLoop(options, media, io, link, std::move(notices), clock, epoll_fd, wake_fd));
}

ShardLoop::ShardLoop(const ShardOptions& options, MediaMeters& media, IoMeters& io, HopLink& link, NoticeSink notices,
                     const Clock& clock, int epoll_fd, int wake_fd)
    : clock_(clock), meters_(io), link_(link), epoll_fd_(epoll_fd), wake_fd_(wake_fd), fds_(size_t{options.slots} * 4, -1),
      buffers_(kBuffers * kBufferSize), vectors_(std::make_unique<Vectors>()),
      out_(kOutbox, [this](std::span<const Outgoing> datagrams) { Send(datagrams); }),
      shard_(options, media, std::move(notices)) {}

ShardLoop::~ShardLoop() {
  Stop();
  close(epoll_fd_);
  close(wake_fd_);
}

void ShardLoop::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void ShardLoop::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  Wake();
  thread_.join();
}

void ShardLoop::Wake() {
  if (woken_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

void ShardLoop::Post(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  Wake();
}

void ShardLoop::Run(const Command& command) {
  std::mutex mutex;
  std::condition_variable done_signal;
  bool done = false;
  Post([&](Context& context) {
    command(context);
    const std::lock_guard lock(mutex);
    done = true;
    done_signal.notify_one();
  });
  std::unique_lock lock(mutex);
  done_signal.wait(lock, [&] { return done; });
}

void ShardLoop::Loop() {
  while (!stopping_) Poll();
  RunCommands(clock_.MonotonicNanos());
  out_.Flush();
}

void ShardLoop::Poll() {
  std::array<epoll_event, 128> events;
  const int64_t wait = std::clamp<int64_t>(shard_.NextDeadline() - clock_.MonotonicNanos(), 0, 1'000'000'000);
  const timespec timeout{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
  const int ready = epoll_pwait2(epoll_fd_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  const int64_t now = clock_.MonotonicNanos();
  meters_.polls.Add();
  for (int i = 0; i < ready; ++i) {
    if (events[static_cast<size_t>(i)].data.u32 != kWakeMark) continue;
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof count);
    woken_.exchange(false);  // and sees what was put into the ring before the wake that it takes back
    RunCommands(now);
  }
  DrainHop(now);
  for (int i = 0; i < ready; ++i) {
    const PortId port = events[static_cast<size_t>(i)].data.u32;
    if (port != kWakeMark) Receive(now, port);
  }
  shard_.OnTimer(now, out_);
  out_.Flush();
  buffers_used_ = 0;
}

void ShardLoop::RunCommands(int64_t now) {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  Context context{*this, shard_, out_, now};
  for (const Command& command : commands) command(context);
}

void ShardLoop::DrainHop(int64_t now) {
  while (FromHop* record = link_.from_hop.Front()) {
    shard_.OnAnswer(now, *record, out_);
    link_.from_hop.Release();
  }
}

void ShardLoop::Receive(int64_t now, PortId port) {
  const int fd = fds_[port];
  if (fd < 0) return;  // taken away in this round
  if (buffers_used_ + kBatch > kBuffers) {
    out_.Flush();
    buffers_used_ = 0;
  }
  Vectors& v = *vectors_;
  for (size_t i = 0; i < kBatch; ++i) {
    v.in_iov[i] = {&buffers_[(buffers_used_ + i) * kBufferSize], kBufferSize};
    v.in[i].msg_hdr = {.msg_name = &v.in_address[i], .msg_namelen = sizeof(SocketAddress), .msg_iov = &v.in_iov[i],
                       .msg_iovlen = 1, .msg_control = nullptr, .msg_controllen = 0, .msg_flags = 0};
  }
  const int got = recvmmsg(fd, v.in.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (got <= 0) return;
  buffers_used_ += static_cast<size_t>(got);
  for (size_t i = 0; i < static_cast<size_t>(got); ++i) {
    if ((v.in[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      meters_.truncated.Add();
      continue;
    }
    shard_.OnPacket(now, port, FromSocketAddress(v.in_address[i]),
                    {static_cast<uint8_t*>(v.in_iov[i].iov_base), v.in[i].msg_len}, out_);
  }
}

// Neighbours that leave by the same port go in one system call.
void ShardLoop::Send(std::span<const Outgoing> datagrams) {
  Vectors& v = *vectors_;
  for (size_t i = 0; i < datagrams.size();) {
    size_t count = 0;
    for (; i + count < datagrams.size() && datagrams[i + count].port == datagrams[i].port; ++count) {
      const Outgoing& datagram = datagrams[i + count];
      v.out_iov[count] = {const_cast<uint8_t*>(datagram.bytes.data()), datagram.bytes.size()};
      const socklen_t size = ToSocketAddress(datagram.to, v.out_address[count]);
      v.out[count].msg_hdr = {.msg_name = &v.out_address[count], .msg_namelen = size, .msg_iov = &v.out_iov[count],
                              .msg_iovlen = 1, .msg_control = nullptr, .msg_controllen = 0, .msg_flags = 0};
    }
    const int fd = fds_[datagrams[i].port];
    const int sent = fd < 0 ? 0 : sendmmsg(fd, v.out.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    if (sent < static_cast<int>(count)) meters_.send_failed.Add(count - static_cast<size_t>(std::max(sent, 0)));
    i += count;
  }
}

void ShardLoop::WatchPort(PortId port, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.u32 = port}};
  fds_[port] = fd;
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
}

void ShardLoop::Watch(uint32_t slot, Side side, const PortPair& pair) {
  const PortId base = slot * 4 + static_cast<PortId>(Index(side)) * 2;
  WatchPort(base, pair.rtp_fd());
  WatchPort(base + 1, pair.rtcp_fd());
}

void ShardLoop::Unwatch(uint32_t slot, Side side) {
  out_.Flush();
  const PortId base = slot * 4 + static_cast<PortId>(Index(side)) * 2;
  for (const PortId port : {base, base + 1}) {
    if (fds_[port] < 0) continue;
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fds_[port], nullptr);
    fds_[port] = -1;
  }
}

}  // namespace flattone::relay
