#include "libs/obs/exposer.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libs/testing/catch.h"

namespace flattone::obs {
namespace {

std::string Get(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
    (void)!write(fd, request.data(), request.size());
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, n);
  }
  close(fd);
  return answer;
}

TEST_CASE("The exposer serves the registry on the port that it reports") {
  Registry registry;
  Counter counter(registry, "flattone_test_seen_total", "Seen");
  counter.Add(41);
  auto exposer = Exposer::Start("127.0.0.1:0", registry);
  REQUIRE(exposer.ok());
  REQUIRE((*exposer)->port() > 0);
  CHECK(Get((*exposer)->port()).find("flattone_test_seen_total 41") != std::string::npos);
}

TEST_CASE("An address that cannot be bound is named in the error") {
  Registry registry;
  auto exposer = Exposer::Start("192.0.2.77:9100", registry);
  REQUIRE_FALSE(exposer.ok());
  CHECK(std::string(exposer.status().message()).find("192.0.2.77:9100") != std::string::npos);
}

}  // namespace
}  // namespace flattone::obs
