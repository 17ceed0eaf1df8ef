#include <persist/schema/exact.hpp>

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace {

using persist::schema::detail::Exact;

template <Exact Number>
struct Holder {
  static constexpr Exact number = Number;
};

static_assert(Holder<0.01>::number.as<double>() == 0.01, "a double as a template argument");
static_assert(Holder<-7>::number.as<int>() == -7 && Holder<0>::number.as<int>() == 0);
static_assert(Holder<12>::number.as<double>() == 12.0 && Holder<0.5>::number.as<float>() == 0.5F);
static_assert(Holder<1.0>::number.as<int>() == 1 && Holder<-0.0>::number.as<double>() == 0);

using Long = std::numeric_limits<std::int64_t>;
using ULong = std::numeric_limits<std::uint64_t>;
static_assert(Exact(Long::min()).as<std::int64_t>() == Long::min());
static_assert(Exact(ULong::max()).as<std::uint64_t>() == ULong::max());
static_assert(Exact(5e-324).as<double>() == 5e-324 && Exact(1e300).as<double>() == 1e300);

static_assert(Exact(255).fits<std::uint8_t>() && !Exact(256).fits<std::uint8_t>());
static_assert(Exact(-128).fits<std::int8_t>() && !Exact(-129).fits<std::int8_t>());
static_assert(!Exact(-1).fits<std::uint64_t>() && !Exact(0.5).fits<int>());
static_assert(!Exact(1e300).fits<std::uint64_t>() && Exact(0).fits<std::uint8_t>());
static_assert(Exact(ULong::max()).fits<std::uint64_t>() &&
              !Exact(ULong::max()).fits<std::int64_t>() && !Exact(ULong::max()).fits<double>());
static_assert(Exact(0.1).fits<double>() && !Exact(0.1).fits<float>() && Exact(0.5).fits<float>());

static_assert(Exact(1) < Exact(2) && !(Exact(2) < Exact(1)) && !(Exact(2) < Exact(2.0)));
static_assert(Exact(-2) < Exact(-1) && Exact(-1) < Exact(0) && Exact(0) < Exact(5e-324));
static_assert(Exact(0.3) < Exact(1) && Exact(-1e300) < Exact(Long::min()) &&
              Exact(-0.5) < Exact(3));
static_assert(Exact(ULong::max() - 1) < Exact(ULong::max()), "which one double stands for");
static_assert(Exact(1e300) < Exact(std::numeric_limits<double>::infinity()));

TEST(Exact, is_decided_by_the_compiler) {}

}  // namespace
