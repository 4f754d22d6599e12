// One request of HttpClient, from resolving to the answer. Private to libs/http.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/http/client_state.h"
#include "libs/http/message_reader.h"

namespace flattone::http {

// Everything runs on `strand`, except what the helpers do.
class Call : public std::enable_shared_from_this<Call> {
 public:
  // `connection` is an idle one to use again, or null.
  Call(HttpClient::Impl* client, ClientRequest request, std::unique_ptr<ClientConnection> connection,
       std::function<void(ClientResult)> done);
  void Start();

 private:
  void Resolve();
  void Resolved(absl::StatusOr<std::vector<IpAddress>> addresses);
  void ConnectNext(std::string last_error);
  void Handshake();
  void Connected();
  void WriteHead();
  void WriteBody();
  void ReadAnswer();
  void OnRead(ErrorCode error, size_t count);
  void Answered();
  void Arm(SteadyTime phase_end, const char* what);
  void Fail(absl::Status status);
  void Finish(ClientResult result);
  bool EndedMeanwhile();
  void Deliver();

  // Runs `f` with whichever stream the connection has.
  template <typename F>
  void WithStream(F&& f) {
    if (connection_->tls != nullptr) {
      f(*connection_->tls);
    } else {
      f(*connection_->plain);
    }
  }

  HttpClient::Impl* client_;
  ClientRequest request_;
  std::function<void(ClientResult)> done_;
  asio::strand<asio::io_context::executor_type> strand_;
  asio::steady_timer timer_;
  SteadyTime started_, total_end_, connect_end_;
  const char* waiting_for_ = "";
  std::string head_;
  std::vector<IpAddress> addresses_;
  size_t next_address_ = 0;
  std::unique_ptr<ClientConnection> connection_;
  int pending_ = 0;  // operations whose handler has not run: the body is theirs until then
  ResponseReader reader_;
  std::vector<char> chunk_;
  std::string buffered_;
  Stage stage_ = Stage::kResolve;
  bool sent_ = false;  // from here on nothing may be called NOT_SENT
  bool attempt_timed_out_ = false;
  std::atomic<bool> over_{false};  // set on the strand; a helper that comes to its turn late asks
  ClientResult result_;
};

}  // namespace flattone::http
