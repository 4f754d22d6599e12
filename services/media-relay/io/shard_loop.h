// The thread around one Shard: epoll over its ports, recvmmsg in, sendmmsg out, commands from control threads,
// masked frames from the hop. The clock is read once per poll.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "services/media-relay/io/port_block.h"
#include "services/media-relay/media/shard.h"

namespace flattone::relay {

class IoMeters {
 public:
  explicit IoMeters(obs::Registry& registry);
  obs::Counter send_failed, truncated, polls;
};

class ShardLoop {
 public:
  // What a command may touch, on the shard's thread.
  struct Context {
    ShardLoop& loop;
    Shard& shard;
    Outbox& out;
    int64_t now;
  };
  using Command = std::function<void(Context&)>;

  static absl::StatusOr<std::unique_ptr<ShardLoop>> Create(const ShardOptions& options, MediaMeters& media, IoMeters& io,
                                                           HopLink& link, NoticeSink notices, const Clock& clock);
  ~ShardLoop();

  void Start();
  // Ends the thread after what is queued.
  void Stop();
  // Runs the command on the shard's thread. Any thread.
  void Post(Command command);
  // The same, and waits for it. Not from the shard's own thread.
  void Run(const Command& command);
  // The hop has answers in the ring. Any thread.
  void Wake();

  // Shard thread only: packets of the pair become the slot's side. The pair must stay open until Unwatch.
  void Watch(uint32_t slot, Side side, const PortPair& pair);
  void Unwatch(uint32_t slot, Side side);

 private:
  ShardLoop(const ShardOptions& options, MediaMeters& media, IoMeters& io, HopLink& link, NoticeSink notices,
            const Clock& clock, int epoll_fd, int wake_fd);
  void Loop();
  void Poll();
  void RunCommands(int64_t now);
  void DrainHop(int64_t now);
  void Receive(int64_t now, PortId port);
  void Send(std::span<const Outgoing> datagrams);
  void WatchPort(PortId port, int fd);

  static constexpr size_t kBatch = 16;       // datagrams per recvmmsg
  static constexpr size_t kBuffers = 256;    // received and not yet sent on
  static constexpr size_t kBufferSize = 2048;
  struct Vectors;

  const Clock& clock_;
  IoMeters& meters_;
  HopLink& link_;
  const int epoll_fd_, wake_fd_;
  std::vector<int> fds_;  // by PortId
  std::vector<uint8_t> buffers_;
  size_t buffers_used_ = 0;
  std::unique_ptr<Vectors> vectors_;
  Outbox out_;
  Shard shard_;
  std::mutex mutex_;
  std::vector<Command> commands_;
  std::atomic<bool> woken_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace flattone::relay
