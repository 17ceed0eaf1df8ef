// expect: the function returns nothing, a bool or a persist::Result<void>
#include <persist/session/message_codec.hpp>

#ifdef PERSIST_REJECT_CONTROL
bool change(int& data);
#else
int change(int& data);
#endif

bool use(int& data);
bool use(int& data) {
  auto fn = change;
  return persist::detail::call(fn, data).has_value();
}
