#pragma once

#include <persist/backend/any.hpp>
#if PERSISTCTL_HAS_SQLITE
#include <persist/backend/sqlite.hpp>
#endif
#if PERSISTCTL_HAS_POSTGRES
#include <persist/backend/postgres.hpp>
#endif
#if PERSISTCTL_HAS_REDIS
#include <persist/backend/redis.hpp>
#endif
#if PERSISTCTL_HAS_ETCD
#include <persist/backend/etcd.hpp>
#endif

// The databases that this build can open: those whose client libraries were there.

namespace persistctl {

template <class... Adapters>
struct AdapterList {};

using Adapters = AdapterList<void
#if PERSISTCTL_HAS_SQLITE
                             ,
                             persist::backend::Sqlite
#endif
#if PERSISTCTL_HAS_POSTGRES
                             ,
                             persist::backend::Postgres
#endif
#if PERSISTCTL_HAS_REDIS
                             ,
                             persist::backend::Redis
#endif
#if PERSISTCTL_HAS_ETCD
                             ,
                             persist::backend::Etcd
#endif
                             >;

template <class Handle, class... Known>
[[nodiscard]] persist::Result<Handle> open_with(AdapterList<void, Known...>,
                                                const persist::backend::Uri& uri,
                                                persist::Clock* clock) {
  return persist::backend::open<Handle, Known...>(uri, clock);
}
/// Opens what the URI names, if this build knows such a database; `clock` is that of an embedded
/// one.
template <class Handle>
[[nodiscard]] persist::Result<Handle> open_uri(const persist::backend::Uri& uri,
                                               persist::Clock* clock = nullptr) {
  return open_with<Handle>(Adapters(), uri, clock);
}

}  // namespace persistctl
