#include "libs/http/client.h"

#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "libs/http/client_call.h"
#include "libs/http/client_state.h"
#include "libs/http/resolve.h"

namespace flattone::http {

std::string PoolKey(const Url& url) { return absl::StrCat(url.tls ? "https://" : "http://", url.Authority()); }

HttpClient::Impl::Impl(ClientOptions given)
    : options(std::move(given)), helpers(static_cast<size_t>(options.helper_threads)) {
  if (!options.resolve) options.resolve = SystemResolve;
  tls.set_options(asio::ssl::context::no_sslv2 | asio::ssl::context::no_sslv3);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(tls.native_handle(), SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  ErrorCode error;
  if (options.ca_file.empty()) {
    tls.set_default_verify_paths(error);
  } else {
    tls.load_verify_file(options.ca_file, error);
  }
  if (error) {
    ready = absl::InvalidArgumentError(absl::StrCat("cannot read CA file ", options.ca_file, ": ", error.message()));
  }
  for (int i = 0; i < options.io_threads; ++i) {
    threads.emplace_back([this] { io.run(); });
  }
}

std::unique_ptr<ClientConnection> HttpClient::Impl::TakeIdle(const std::string& key) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = idle.find(key);
  if (found == idle.end()) return nullptr;
  auto& list = found->second;
  const auto oldest = std::chrono::steady_clock::now() - absl::ToChronoNanoseconds(options.max_idle);
  while (!list.empty()) {
    std::unique_ptr<ClientConnection> connection = std::move(list.back());
    list.pop_back();
    if (connection->idle_since >= oldest && connection->StillQuiet()) return connection;
  }
  return nullptr;
}

void HttpClient::Impl::PutIdle(const std::string& key, std::unique_ptr<ClientConnection> connection) {
  connection->idle_since = std::chrono::steady_clock::now();
  std::lock_guard<std::mutex> lock(mutex);
  auto& list = idle[key];
  list.push_back(std::move(connection));
  if (list.size() > options.max_idle_per_host) list.erase(list.begin());
}

HttpClient::HttpClient(ClientOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}

HttpClient::~HttpClient() {
  {
    std::unique_lock<std::mutex> lock(impl_->mutex);
    impl_->none_active.wait(lock, [this] { return impl_->active == 0; });
  }
  impl_->helpers.join();
  impl_->guard.reset();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->idle.clear();
}

absl::Status HttpClient::Ready() const { return impl_->ready; }

void HttpClient::SendAsync(ClientRequest request, std::function<void(ClientResult)> done) {
  std::unique_ptr<ClientConnection> idle;
  if (Poolable(request)) idle = impl_->TakeIdle(PoolKey(request.url));
  std::make_shared<Call>(impl_.get(), std::move(request), std::move(idle), std::move(done))->Start();
}

ClientResult HttpClient::Send(const ClientRequest& request) {
  std::mutex mutex;
  std::condition_variable arrived;
  bool over = false;
  ClientResult answer;
  SendAsync(request, [&](ClientResult result) {
    std::lock_guard<std::mutex> lock(mutex);
    answer = std::move(result);
    over = true;
    arrived.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  arrived.wait(lock, [&] { return over; });
  return answer;
}

}  // namespace flattone::http
