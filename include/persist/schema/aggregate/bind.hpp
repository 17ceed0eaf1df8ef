#pragma once

#include <persist/detail/config.hpp>

#include <cstddef>
#include <type_traits>

// C++20 takes an aggregate apart only by a structured binding, and a binding has a fixed number of
// names: one overload for each number of members. Nothing else in the library knows how many there
// are.

namespace persist::inline PERSIST_ABI::schema::detail {

inline constexpr std::size_t most_members = 64;

template <std::size_t N>
using Count = std::integral_constant<std::size_t, N>;

/// Calls `use` with a reference to each member, in the order of their declaration.
template <class T, class F>
constexpr decltype(auto) bind(Count<0>, T&, F&& use) {
  return use();
}

#define PERSIST_BIND(N, ...)                                    \
  template <class T, class F>                                   \
  constexpr decltype(auto) bind(Count<N>, T& object, F&& use) { \
    auto& [__VA_ARGS__] = object;                               \
    return use(__VA_ARGS__);                                    \
  }

PERSIST_BIND(1, a)
PERSIST_BIND(2, a, b)
PERSIST_BIND(3, a, b, c)
PERSIST_BIND(4, a, b, c, d)
PERSIST_BIND(5, a, b, c, d, e)
PERSIST_BIND(6, a, b, c, d, e, g)
PERSIST_BIND(7, a, b, c, d, e, g, h)
PERSIST_BIND(8, a, b, c, d, e, g, h, i)
PERSIST_BIND(9, a, b, c, d, e, g, h, i, j)
PERSIST_BIND(10, a, b, c, d, e, g, h, i, j, k)
PERSIST_BIND(11, a, b, c, d, e, g, h, i, j, k, l)
PERSIST_BIND(12, a, b, c, d, e, g, h, i, j, k, l, m)
PERSIST_BIND(13, a, b, c, d, e, g, h, i, j, k, l, m, n)
PERSIST_BIND(14, a, b, c, d, e, g, h, i, j, k, l, m, n, o)
PERSIST_BIND(15, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p)
PERSIST_BIND(16, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q)
PERSIST_BIND(17, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r)
PERSIST_BIND(18, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s)
PERSIST_BIND(19, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
PERSIST_BIND(20, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)
PERSIST_BIND(21, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)
PERSIST_BIND(22, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w)
PERSIST_BIND(23, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)
PERSIST_BIND(24, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y)
PERSIST_BIND(25, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z)
PERSIST_BIND(26, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2)
PERSIST_BIND(27, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2)
PERSIST_BIND(28, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2)
PERSIST_BIND(29, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2)
PERSIST_BIND(30, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2)
PERSIST_BIND(31, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2)
PERSIST_BIND(32, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2)
PERSIST_BIND(33, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2)
PERSIST_BIND(34, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2)
PERSIST_BIND(35, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2)
PERSIST_BIND(36, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2)
PERSIST_BIND(37, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2)
PERSIST_BIND(38, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2)
PERSIST_BIND(39, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2)
PERSIST_BIND(40, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2)
PERSIST_BIND(41, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2)
PERSIST_BIND(42, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2)
PERSIST_BIND(43, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2)
PERSIST_BIND(44, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2)
PERSIST_BIND(45, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2)
PERSIST_BIND(46, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2)
PERSIST_BIND(47, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2)
PERSIST_BIND(48, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2)
PERSIST_BIND(49, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2)
PERSIST_BIND(50, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2)
PERSIST_BIND(51, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2)
PERSIST_BIND(52, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3)
PERSIST_BIND(53, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3)
PERSIST_BIND(54, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3)
PERSIST_BIND(55, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3)
PERSIST_BIND(56, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3)
PERSIST_BIND(57, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3)
PERSIST_BIND(58, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3)
PERSIST_BIND(59, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3)
PERSIST_BIND(60, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3)
PERSIST_BIND(61, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3)
PERSIST_BIND(62, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3, k3)
PERSIST_BIND(63, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3, k3, l3)
PERSIST_BIND(64, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3, k3, l3, m3)

#undef PERSIST_BIND

}  // namespace persist::inline PERSIST_ABI::schema::detail
