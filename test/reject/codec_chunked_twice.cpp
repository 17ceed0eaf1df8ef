// expect: chunked once is chunked
#include <persist/persist.hpp>

using Once = persist::codec::Chunked<persist::codec::Packed>;

#ifdef PERSIST_REJECT_CONTROL
using Codec = Once;
#else
using Codec = persist::codec::Chunked<Once>;
#endif
static_assert(Codec::id != 0);
