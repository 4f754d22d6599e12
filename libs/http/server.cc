#include "libs/http/server.h"

#include <openssl/ssl.h>

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/http/server_connection.h"

namespace flattone::http {

// One request under way: answered once, by whoever holds the writer.
struct ResponseWriter::Exchange {
  explicit Exchange(std::shared_ptr<Connection> on) : connection(std::move(on)) {}
  ~Exchange() {
    if (answered) return;
    connection->Send(Response{500,
                              {{"content-type", "application/problem+json"}},
                              "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
                              "\"code\":\"internal\",\"detail\":\"The request was not answered.\"}\n"});
  }
  std::shared_ptr<Connection> connection;
  bool answered = false;
};

ResponseWriter::ResponseWriter(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
ResponseWriter::~ResponseWriter() = default;
ResponseWriter::ResponseWriter(ResponseWriter&&) noexcept = default;
ResponseWriter& ResponseWriter::operator=(ResponseWriter&&) noexcept = default;

ResponseWriter ResponseWriter::For(std::shared_ptr<Connection> connection) {
  return ResponseWriter(std::make_shared<Exchange>(std::move(connection)));
}

void ResponseWriter::Send(Response response) {
  if (exchange_ == nullptr || exchange_->answered) return;
  exchange_->answered = true;
  exchange_->connection->Send(std::move(response));
}

std::shared_ptr<StreamWriter> ResponseWriter::Stream(int status, Headers headers) {
  if (exchange_ == nullptr || exchange_->answered) return nullptr;
  exchange_->answered = true;
  return exchange_->connection->Stream(status, std::move(headers));
}

void ResponseWriter::Abort(bool reset) {
  if (exchange_ == nullptr || exchange_->answered) return;
  exchange_->answered = true;
  exchange_->connection->Abort(reset);
}

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  explicit Impl(std::shared_ptr<ServerCore> given)
      : core(std::move(given)), acceptor(asio::make_strand(core->io)), retry(acceptor.get_executor()) {}

  absl::Status Open();
  void Accept();

  std::shared_ptr<ServerCore> core;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard;
  std::vector<std::thread> threads;
  tcp::endpoint endpoint;
  std::atomic<uint16_t> port{0};
  bool drained = false;
};

namespace {

absl::StatusOr<std::shared_ptr<asio::ssl::context>> LoadTls(const ServerTls& files) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* raw = context->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  ErrorCode error;
  context->use_certificate_chain_file(files.certificate_file, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read certificate ", files.certificate_file, ": ", error.message()));
  }
  context->use_private_key_file(files.key_file, asio::ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(raw) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("cannot use key ", files.key_file, " with certificate ",
                                                   files.certificate_file, ": ", error.message()));
  }
  return context;
}

}  // namespace

absl::Status HttpServer::Impl::Open() {
  ErrorCode error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    ErrorCode ignored;
    acceptor.close(ignored);
    return absl::UnavailableError(absl::StrCat("cannot listen on ", core->options.address, ":",
                                               endpoint.port(), ": ", error.message()));
  }
  endpoint.port(acceptor.local_endpoint(error).port());
  port = endpoint.port();
  return absl::OkStatus();
}

void HttpServer::Impl::Accept() {
  acceptor.async_accept(asio::make_strand(core->io), [self = shared_from_this()](ErrorCode error, tcp::socket socket) {
    if (error == asio::error::operation_aborted || !self->acceptor.is_open()) return;
    if (error) {  // no descriptors left, or the peer was faster: look again in a moment
      self->retry.expires_after(std::chrono::milliseconds(50));
      self->retry.async_wait([self](ErrorCode cancelled) {
        if (!cancelled && self->acceptor.is_open()) self->Accept();
      });
      return;
    }
    ServerCounters& counters = self->core->counters;
    if (counters.connections_open >= self->core->options.max_connections) {
      ++counters.connections_refused;  // the socket closes here
    } else {
      ++counters.connections;
      ++counters.connections_open;
      auto connection = std::make_shared<Connection>(self->core, std::move(socket));
      {
        std::lock_guard<std::mutex> lock(self->core->mutex);
        self->core->open.insert(connection);
      }
      connection->Start();
    }
    self->Accept();
  });
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(ServerOptions options, Handler handler) {
  auto core = std::make_shared<ServerCore>(std::move(options), std::move(handler));
  if (!core->options.tls.certificate_file.empty()) {
    auto tls = LoadTls(core->options.tls);
    if (!tls.ok()) return tls.status();
    core->tls = *tls;
  }
  ErrorCode error;
  const auto address = asio::ip::make_address(core->options.address, error);
  if (error) return InvalidField("address", "is not an IP address", "a literal IPv4 or IPv6 address");
  auto impl = std::make_shared<Impl>(core);
  impl->endpoint = tcp::endpoint(address, core->options.port);
  if (absl::Status opened = impl->Open(); !opened.ok()) return opened;
  impl->guard.emplace(core->io.get_executor());
  impl->Accept();
  for (int i = 0; i < core->options.io_threads; ++i) {
    impl->threads.emplace_back([core] { core->io.run(); });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { Drain(absl::ZeroDuration()); }

uint16_t HttpServer::port() const { return impl_->port; }
const ServerCounters& HttpServer::counters() const { return impl_->core->counters; }

absl::Status HttpServer::ReloadTls() {
  auto tls = LoadTls(impl_->core->options.tls);
  if (!tls.ok()) return tls.status();
  std::lock_guard<std::mutex> lock(impl_->core->mutex);
  impl_->core->tls = *tls;
  return absl::OkStatus();
}

absl::Status HttpServer::Listen(bool on) {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<absl::Status> outcome;
  asio::post(impl_->acceptor.get_executor(), [&, impl = impl_] {
    absl::Status status;
    if (on && !impl->acceptor.is_open()) {
      status = impl->Open();
      if (status.ok()) impl->Accept();
    } else if (!on) {
      ErrorCode ignored;
      impl->acceptor.close(ignored);
    }
    std::lock_guard<std::mutex> lock(mutex);
    outcome = status;
    done.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  done.wait(lock, [&] { return outcome.has_value(); });
  return *outcome;
}

void HttpServer::Drain(absl::Duration grace) {
  if (impl_->drained) return;
  impl_->drained = true;
  ServerCore& core = *impl_->core;
  core.draining = true;
  Listen(false).IgnoreError();
  std::vector<std::shared_ptr<Connection>> open;
  auto take_open = [&] {
    std::lock_guard<std::mutex> lock(core.mutex);
    open.assign(core.open.begin(), core.open.end());
    return !open.empty();
  };
  if (take_open()) {
    for (const auto& connection : open) connection->Drain();
  }
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(grace);
  while (take_open() && std::chrono::steady_clock::now() < end) {
    open.clear();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (const auto& connection : open) connection->CloseNow();
  open.clear();
  core.handlers.join();
  impl_->guard.reset();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  core.stopped = true;
}

}  // namespace flattone::http
