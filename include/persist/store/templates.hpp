#pragma once

#include <persist/backend/file.hpp>
#include <persist/store.hpp>

// Templates that a program makes once. A unit that uses a store makes the store's code again, and
// that is most of what it takes to compile. It need not: beside the type of the store stands
//
//   using Players = persist::Store<PlayerKey, PlayerSave>;
//   PERSIST_STORE_TEMPLATES(extern, Players);   // made elsewhere,
//   PERSIST_ENGINE_TEMPLATES(extern, Players);  // with what stores of one backend and lock share
//   PERSIST_FILE_TEMPLATES(extern);             // and backend::File, where that is the backend
//
// and in one unit of the program the same lines with nothing in the place of `extern`. They stand
// outside of any namespace. What an optimising compiler wants to inline it still sees.

/// What is made per store. `store` names a type, without template arguments of its own.
#define PERSIST_STORE_TEMPLATES(prefix, store)              \
  prefix template class persist::SessionNode<store::Stack>; \
  prefix template class persist::StoreCore<store::Stack>;   \
  prefix template class persist::Session<store::Stack>;     \
  prefix template class persist::Loading<store::Stack>;     \
  prefix template class persist::StoreCalls<store::Stack>

/// What stores of one backend and lock policy share; `store` is any one of them.
#define PERSIST_ENGINE_TEMPLATES(prefix, store) \
  prefix template class persist::Engine<store::Stack::Backend, store::Stack::LockPolicy>

/// What all users of `backend::File` share.
#define PERSIST_FILE_TEMPLATES(prefix)                                                \
  prefix template class persist::backend::file::Database<persist::detail::os::Files>; \
  prefix template class persist::backend::BasicFile<persist::detail::os::Files>
