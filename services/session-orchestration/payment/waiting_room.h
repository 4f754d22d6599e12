// Bounds how many calls may wait for an outcome at once, each with a thread of its door; who finds no place does not wait.
//
//   const auto place = room.Enter();
//   if (place == nullptr) …            // answers with what is known
#pragma once

#include <memory>
#include <mutex>

namespace flattone::session {

class WaitingRoom {
 public:
  explicit WaitingRoom(int places) : free_(places) {}
  struct Leave {
    void operator()(WaitingRoom* room) const {
      std::lock_guard lock(room->mutex_);
      ++room->free_;
    }
  };
  using Place = std::unique_ptr<WaitingRoom, Leave>;
  // Null when it is full. Any thread; the place is given back with the pointer, before the room goes.
  Place Enter() {
    std::lock_guard lock(mutex_);
    if (free_ == 0) return nullptr;
    --free_;
    return Place(this);
  }

 private:
  std::mutex mutex_;
  int free_;
};

}  // namespace flattone::session
