// rtpload: the same RTP load for any relay, so that two relays are compared in one run.
//
//   rtpload --legs FILE --seconds 10 [--ptime 20] [--threads no]
//
// FILE has one line per leg: LOCAL_PORT REMOTE_IP REMOTE_PORT. Legs 2n and 2n+1 are the two sides of call n. Every leg
// sends one G.711 packet a ptime, paced over the interval so that calls do not burst together, and counts
// what arrives. Sockets are bound before anything is sent; the program prints {"ready":true} and waits for a line
// on standard input, so that a relay can be told the ports first. Ends by itself.
// Result, one JSON line: packets sent and received in the measured seconds.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct Leg {
  int socket = -1;
  sockaddr_in remote{};
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
};

struct Options {
  std::string legs;
  int seconds = 10;
  int ptime_ms = 20;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "rtpload: %s\n", what.c_str());
  std::exit(2);
}

int64_t Now() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1'000'000'000LL + ts.tv_nsec;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--legs") options.legs = argv[i + 1];
    else if (name == "--seconds") options.seconds = std::atoi(argv[i + 1]);
    else if (name == "--ptime") options.ptime_ms = std::atoi(argv[i + 1]);
    else Fail("unknown option " + name);
  }
  if (options.legs.empty() || options.seconds < 1 || options.seconds > 600 || options.ptime_ms < 10) {
    Fail("needs --legs FILE, --seconds 1 to 600, --ptime 10 or more");
  }
  return options;
}

Leg Open(unsigned local_port) {
  Leg leg;
  leg.socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_port = htons(static_cast<uint16_t>(local_port));
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(leg.socket, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) {
    Fail("port " + std::to_string(local_port) + ": " + std::strerror(errno));
  }
  leg.ssrc = 0x10000000u + local_port;
  leg.sequence = static_cast<uint16_t>(local_port);
  return leg;
}

std::vector<Leg> BindAll(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) Fail("cannot read " + path);
  std::vector<Leg> legs;
  unsigned port = 0;
  while (std::fscanf(file, "%u%*[^\n]", &port) == 1) legs.push_back(Open(port));
  std::fclose(file);
  return legs;
}

// The remote addresses are known only after the relay was told our ports: read the file again.
void ReadRemotes(const std::string& path, std::vector<Leg>& legs) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  char ip[64];
  unsigned local = 0, remote = 0;
  for (Leg& leg : legs) {
    if (std::fscanf(file, "%u %63s %u", &local, ip, &remote) != 3) Fail("a leg without a remote address in " + path);
    leg.remote.sin_family = AF_INET;
    leg.remote.sin_port = htons(static_cast<uint16_t>(remote));
    inet_pton(AF_INET, ip, &leg.remote.sin_addr);
  }
  std::fclose(file);
}

void Send(Leg& leg, int samples) {
  uint8_t packet[12 + 480] = {0x80, 0};
  const uint16_t sequence = htons(leg.sequence++);
  const uint32_t timestamp = htonl(leg.timestamp), ssrc = htonl(leg.ssrc);
  leg.timestamp += static_cast<uint32_t>(samples);
  std::memcpy(packet + 2, &sequence, 2);
  std::memcpy(packet + 4, &timestamp, 4);
  std::memcpy(packet + 8, &ssrc, 4);
  // A quiet varying signal: codewords near zero.
  for (int i = 0; i < samples; ++i) packet[12 + i] = static_cast<uint8_t>(0xf0 | ((leg.timestamp + i * 7) & 15));
  sendto(leg.socket, packet, static_cast<size_t>(12 + samples), 0, reinterpret_cast<sockaddr*>(&leg.remote), sizeof leg.remote);
}

uint64_t Drain(int epoll) {
  epoll_event events[256];
  uint64_t received = 0;
  uint8_t buffer[2048];
  const int n = epoll_wait(epoll, events, 256, 0);
  for (int i = 0; i < n; ++i) {
    while (recv(events[i].data.fd, buffer, sizeof buffer, 0) > 0) ++received;
  }
  return received;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  std::vector<Leg> legs = BindAll(options.legs);
  if (legs.empty()) Fail("no legs in " + options.legs);
  const int epoll = epoll_create1(0);
  for (Leg& leg : legs) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = leg.socket;
    epoll_ctl(epoll, EPOLL_CTL_ADD, leg.socket, &event);
  }
  std::printf("{\"ready\":true,\"legs\":%zu}\n", legs.size());
  std::fflush(stdout);
  if (std::getchar() == EOF) return 0;
  ReadRemotes(options.legs, legs);

  const int64_t interval = options.ptime_ms * 1'000'000LL, begin = Now(), end = begin + options.seconds * 1'000'000'000LL;
  uint64_t sent = 0, received = 0;
  for (int64_t round = begin; round < end; round += interval) {
    for (size_t i = 0; i < legs.size(); ++i) {
      const int64_t due = round + interval * static_cast<int64_t>(i) / static_cast<int64_t>(legs.size());
      while (Now() < due) {
        received += Drain(epoll);
        const int64_t left = due - Now();
        if (left > 100'000) {
          const timespec nap{0, left > 1'000'000 ? 1'000'000 : left};
          nanosleep(&nap, nullptr);
        }
      }
      Send(legs[i], options.ptime_ms * 8);
      ++sent;
    }
    received += Drain(epoll);
  }
  for (const int64_t last = Now() + 200'000'000; Now() < last;) received += Drain(epoll);
  std::printf("{\"sent\":%llu,\"received\":%llu,\"seconds\":%.3f}\n", static_cast<unsigned long long>(sent),
              static_cast<unsigned long long>(received), static_cast<double>(Now() - begin) / 1e9);
  return 0;
}
