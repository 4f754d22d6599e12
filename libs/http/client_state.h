// What one HttpClient's calls share: I/O threads, helpers, the trust store, idle connections. Private to libs/http.
#pragma once

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libs/http/client.h"

namespace flattone::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using SteadyTime = std::chrono::steady_clock::time_point;

// One TCP connection, with or without TLS.
struct ClientConnection {
  std::unique_ptr<asio::ssl::stream<tcp::socket>> tls;
  std::unique_ptr<tcp::socket> plain;
  asio::strand<asio::io_context::executor_type> strand;  // all its handlers run here
  std::string remote;
  SteadyTime idle_since;

  explicit ClientConnection(asio::strand<asio::io_context::executor_type> on) : strand(std::move(on)) {}

  tcp::socket& socket() { return tls != nullptr ? tls->next_layer() : *plain; }
  void Close() {
    ErrorCode ignored;
    socket().close(ignored);
  }
  // True when the peer has neither closed nor said anything since the last answer.
  bool StillQuiet() {
    char byte;
    return recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
  }
};

struct HttpClient::Impl {
  explicit Impl(ClientOptions given);

  // A connection to `key` that is still quiet, or null. Any thread.
  std::unique_ptr<ClientConnection> TakeIdle(const std::string& key);
  void PutIdle(const std::string& key, std::unique_ptr<ClientConnection> connection);
  void CallStarted() {
    std::lock_guard<std::mutex> lock(mutex);
    ++active;
  }
  void CallEnded() {
    std::lock_guard<std::mutex> lock(mutex);
    if (--active == 0) none_active.notify_all();
  }

  ClientOptions options;
  absl::Status ready;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> guard{io.get_executor()};
  asio::ssl::context tls{asio::ssl::context::tls_client};
  asio::thread_pool helpers;
  std::vector<std::thread> threads;

  std::mutex mutex;
  std::condition_variable none_active;
  int active = 0;
  std::map<std::string, std::vector<std::unique_ptr<ClientConnection>>> idle;
};

// A policy is checked against fresh addresses on every call, so such calls are never pooled.
inline bool Poolable(const ClientRequest& request) { return request.reuse && request.policy == nullptr; }
std::string PoolKey(const Url& url);

}  // namespace flattone::http
