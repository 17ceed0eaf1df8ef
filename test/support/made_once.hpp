#pragma once

// The store of world.hpp, which includes this at its end, is made once for all units that test with
// it: in made_once.cpp, where the prefix is empty; elsewhere it is `extern`.

#define PERSIST_TEST_MADE_ONCE(prefix)                                               \
  prefix template class persist::Engine<test::Db, test::Players::Stack::LockPolicy>; \
  prefix template class persist::SessionNode<test::Players::Stack>;                  \
  prefix template class persist::StoreCore<test::Players::Stack>;                    \
  prefix template class persist::Session<test::Players::Stack>;                      \
  prefix template class persist::Loading<test::Players::Stack>;                      \
  prefix template class persist::StoreCalls<test::Players::Stack>;                   \
  prefix template class persist::Store<std::uint64_t, test::Save, test::Db>;

#ifndef PERSIST_TEST_MAKES
PERSIST_TEST_MADE_ONCE(extern)
#endif
