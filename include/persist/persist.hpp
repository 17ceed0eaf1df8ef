#pragma once

// Everything that a game server needs; adapters for databases and compressors, the testing kit and
// observation are headers of their own.

#include <persist/access/confined.hpp>
#include <persist/access/shared.hpp>
#include <persist/audit/check.hpp>
#include <persist/backend/file.hpp>
#include <persist/backend/kv.hpp>
#include <persist/backend/leased.hpp>
#include <persist/backend/limited.hpp>
#include <persist/backend/memory.hpp>
#include <persist/backend/metered.hpp>
#include <persist/backend/rows.hpp>
#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/codec/any_of.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/compressed.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/suphi.hpp>
#include <persist/error.hpp>
#include <persist/fwd.hpp>
#include <persist/key/number.hpp>
#include <persist/key/policy.hpp>
#include <persist/key/prefixed.hpp>
#include <persist/key/scoped.hpp>
#include <persist/key/text.hpp>
#include <persist/lock/external.hpp>
#include <persist/lock/lease.hpp>
#include <persist/lock/none.hpp>
#include <persist/lock/optimistic.hpp>
#include <persist/log.hpp>
#include <persist/result.hpp>
#include <persist/schema/at.hpp>
#include <persist/schema/path.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/rolls_safely.hpp>
#include <persist/schema/value.hpp>
#include <persist/schema/value/diff.hpp>
#include <persist/schema/value/patch.hpp>
#include <persist/session_ref.hpp>
#include <persist/signal.hpp>
#include <persist/store.hpp>
#include <persist/store/templates.hpp>
#include <persist/version.hpp>
