// expect: Result<Error> says nothing: return Error or Result<void>
#include <persist/result.hpp>

#ifdef PERSIST_REJECT_CONTROL
using Held = void;
#else
using Held = persist::Error;
#endif

bool use(persist::Result<Held>& result);
bool use(persist::Result<Held>& result) {
  return result.has_value();
}
