#pragma once

#include <persist/backend/etcd/map.hpp>
#include <persist/backend/kv.hpp>
#include <persist/backend/uri.hpp>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::backend {

/// Records in an etcd cluster, version 3.4 or later, over its JSON gateway. Link `persist::etcd`.
///
/// Made for leases (`lock::External<Etcd>`) and small records that must outlive any one machine:
/// what was acknowledged is on the disks of a majority. A load is two round trips, a save one.
/// Leases are judged by watching a holder, as in every `Kv` whose map has no clock: a record of a
/// server that died is taken over a lease and a tenth after it was heard of last.
///
/// Effect, cost and thread rule as `Kv`; errors as `etcd::Map`, and then `unavailable` and
/// `unknown_outcome` are what a cluster that elects a leader answers.
struct Etcd : Kv<etcd::Map> {
  explicit Etcd(EtcdOptions options = {}, KvOptions kv = {})
      : Kv(etcd::Map(std::move(options)), kv) {}
};

/// `etcd:HOST:PORT,HOST:PORT…`, or `etcd:https://HOST:PORT,…`, with `prefix`, `timeout=TIME`,
/// `user=NAME`, and of TLS `ca`, `certificate` and `key`. The password is in the environment, as
/// `PERSIST_ETCD_PASSWORD`.
template <>
struct UriOpener<Etcd> {
  static constexpr std::string_view schemes[] = {"etcd"};
  static Result<Etcd> open(Uri& uri, Clock* calendar) {
    EtcdOptions options;
    const auto timeout = uri.take_duration("timeout", options.timeout);
    if (!timeout) return timeout.error();
    options.timeout = *timeout;
    options.user = uri.take("user").value_or("");
    options.prefix = uri.take("prefix").value_or("");
    options.ca_file = uri.take("ca").value_or("");
    options.certificate_file = uri.take("certificate").value_or("");
    options.key_file = uri.take("key").value_or("");
    if (const auto all = uri.finish("prefix, timeout, user, ca, certificate, key"); !all)
      return all.error();
    if (const char* password = std::getenv("PERSIST_ETCD_PASSWORD")) options.password = password;
    options.endpoints.clear();
    std::string_view rest = uri.place();
    std::string_view before = "http://";
    if (const std::size_t at = rest.find("://"); at != std::string_view::npos) {
      before = rest.substr(0, at + 3);
      rest.remove_prefix(at + 3);
    } else if (rest.starts_with("//")) {
      rest.remove_prefix(2);
    }
    while (!rest.empty()) {
      const std::string_view member = rest.substr(0, rest.find(','));
      rest.remove_prefix((std::min)(member.size() + 1, rest.size()));
      if (!member.empty()) options.endpoints.push_back(std::string(before) + std::string(member));
    }
    if (options.endpoints.empty()) return uri.wrong("names no member of a cluster");
    return Etcd(std::move(options), {.calendar = calendar});
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
