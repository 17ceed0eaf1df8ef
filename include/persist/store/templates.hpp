#pragma once

#include <persist/store.hpp>

// Templates that a program makes once. A unit that uses a store makes the store's code again, and
// that is most of what it takes to compile. It need not: beside the type of the store stands
//
//   using Players = persist::Store<PlayerKey, PlayerSave>;
//   PERSIST_STORE_TEMPLATES(extern, Players);   // made elsewhere,
//   PERSIST_ENGINE_TEMPLATES(extern, Players);  // with what stores of one backend and lock share
//   PERSIST_FILE_TEMPLATES(extern);             // and, where it is the backend, File
//
// and in one unit of the program the same lines with nothing in the place of `extern`. They stand
// outside of any namespace. What an optimising compiler wants to inline it still sees.

/// What is made per store. `store` names a type, without template arguments of its own.
#define PERSIST_STORE_TEMPLATES(prefix, store)                  \
  PERSIST_TEMPLATE(prefix, persist::SessionNode<store::Stack>); \
  PERSIST_TEMPLATE(prefix, persist::StoreCore<store::Stack>);   \
  PERSIST_TEMPLATE(prefix, persist::Session<store::Stack>);     \
  PERSIST_TEMPLATE(prefix, persist::Loading<store::Stack>);     \
  PERSIST_TEMPLATE(prefix, persist::StoreCalls<store::Stack>)

/// What stores of one backend and lock policy share; `store` is any one of them.
#define PERSIST_ENGINE_TEMPLATES(prefix, store) \
  PERSIST_TEMPLATE(prefix, persist::Engine<store::Stack::Backend, store::Stack::LockPolicy>)
