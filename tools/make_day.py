#!/usr/bin/env python3
"""Makes a day for example/day of any size: profiles.jsonl, day.csv and expected.jsonl in a folder.

The same seed makes the same day. What is expected is worked out here by a model of the game that has
no servers, no sessions and no time.
"""

import argparse
import copy
import json
import pathlib
import random

SERVERS = ["eu-1", "eu-2", "us-1", "ap-1"]
ITEMS = [(1000 + i, f"{material}_{kind}") for i, (material, kind) in enumerate(
    (m, k) for m in ("iron", "oak", "gold", "bone") for k in ("sword", "axe", "helm", "ring", "bow"))]
DEFAULTS = {"level": 1, "xp": 0, "gift_coins": 0, "quests": {}}


def make_profile(rng, player, everybody):
    """A record as ProfileStore has it, written by an older, a current or a newer template."""
    age = rng.choice(["older", "current", "newer"])
    data = {
        "coins": rng.randint(0, 40000),
        "display_name": "ada" + rng.choice(["", "龍", "é"]) + str(player % 100),
        "inventory": [{"id": i, "name": name, "count": rng.randint(1, 5),
                       "durability": round(rng.random(), 2)}
                      for i, name in sorted(rng.sample(ITEMS, rng.randint(0, 12)))],
        "settings": {"music": round(rng.random(), 2), "sfx": round(rng.random(), 2),
                     "invert_y": rng.random() < 0.5, "language": rng.choice(["de", "en", "pt-BR"])},
        "developer_products": {},
    }
    if age == "older":
        data["coins"] = float(data["coins"])
    else:
        data.update(level=rng.randint(1, 60), xp=rng.randint(0, 90000), gift_coins=0)
        data["quests"] = {"quest_1": {"stage": rng.randint(0, 9), "progress": 7, "done": False}}
        data["settings"]["fov"] = rng.randint(60, 110)
    if age == "newer":
        data["pets"] = [{"kind": "cat", "mood": rng.random()}]
        data["settings"]["colour_blind"] = "none"
    gifts = [[n + 1, {"gift_coins": rng.randint(1, 500), "from": rng.choice(everybody)}]
             for n in range(rng.choice([0, 0, 0, 1, 2]))]
    return {
        "Data": data,
        "MetaData": {"ProfileCreateTime": 1600000000, "SessionLoadCount": rng.randint(1, 900),
                     "ActiveSession": None, "ForceLoadSession": None,
                     "LastUpdate": 1749000000, "MetaTags": {}},
        "RobloxMetaData": {"region": "eu"},
        "UserIds": [player],
        "GlobalUpdates": [len(gifts), gifts],
    }


def morning(profile):
    """What the game sees of a profile once it was loaded and its gifts were taken in."""
    data = DEFAULTS | copy.deepcopy(profile["Data"])
    data["coins"] = int(data["coins"])
    data["settings"].setdefault("fov", 70)
    data["gift_coins"] += sum(gift["gift_coins"] for _, gift in profile["GlobalUpdates"][1])
    return data


class Day:
    def __init__(self, rng, world, events):
        self.rng, self.world, self.left = rng, world, events
        self.lines, self.receipts = [], []
        self.online = {}  # player -> server
        self.time = 0
        self.step = max(1, 86_000_000 // (events + 1))

    def say(self, server, player, op, *arguments):
        fields = [self.time, server, player, op, *arguments]
        self.lines.append(",".join(str(field) for field in fields + [""] * (8 - len(fields))))

    def play(self):
        players = list(self.world)
        while len(self.lines) < self.left:
            self.time += self.rng.randint(0, 2 * self.step - 1)
            player = self.rng.choice(players)
            if player not in self.online:
                self.join(player)
                continue
            for _ in range(self.rng.randint(1, 12)):
                self.act(player)
                self.time += self.rng.randint(0, self.step)
            if self.rng.random() < 0.35:
                self.leave(player)
        for player in list(self.online):
            self.leave(player)

    def join(self, player):
        self.online[player] = self.rng.choice(SERVERS)
        self.say(self.online[player], player, "join")

    def leave(self, player):
        server = self.online.pop(player)
        if self.rng.random() < 0.2:  # he is on the next server before the last one has noticed
            self.online[player] = self.rng.choice([s for s in SERVERS if s != server])
            self.say(self.online[player], player, "join")
            self.time += self.rng.randint(0, 5)
        self.say(server, player, "leave")

    def act(self, player):
        data, server, rng = self.world[player], self.online[player], self.rng
        op = rng.choices(["earn", "buy", "level_up", "gift", "trade", "purchase"],
                         [43, 19, 6, 11, 15, 6])[0]
        if op == "earn":
            coins, xp = rng.randint(1, 120), rng.randint(0, 60)
            data["coins"] += coins
            data["xp"] += xp
            self.say(server, player, op, coins, xp)
        elif op == "level_up":
            data["level"] += 1
            self.say(server, player, op)
        elif op == "purchase":
            self.purchase(player, data, server)
        elif op == "gift" and data["coins"] > 0:
            to, coins = rng.choice(list(self.world)), rng.randint(1, min(60, data["coins"]))
            data["coins"] -= coins
            self.world[to]["gift_coins"] += coins
            self.say(server, player, op, to, coins)
        elif op in ("buy", "trade"):
            self.get_item(player, data, server, op)

    def purchase(self, player, data, server):
        old = [receipt for receipt in self.receipts[-50:] if receipt[0] == player]
        if old and self.rng.random() < 0.5:
            _, receipt, product = self.rng.choice(old)  # the shop asks again
        else:
            receipt, product = f"R-{len(self.receipts):06}", str(self.rng.randint(1, 20))
            self.receipts.append((player, receipt, product))
            products = data["developer_products"]
            products[product] = products.get(product, 0) + 1
        self.say(server, player, "purchase", receipt, product)

    def get_item(self, player, data, server, op):
        item, name = self.rng.choice(ITEMS)
        price = self.rng.randint(1, 300)
        if data["coins"] < price:
            return
        if op == "buy":
            self.say(server, player, op, item, name, price)
        else:
            sellers = [p for p, where in self.online.items() if where == server and p != player
                       and any(owned["id"] == item for owned in self.world[p]["inventory"])]
            if not sellers:
                return
            seller = self.rng.choice(sellers)
            sold = self.world[seller]
            sold["coins"] += price
            owned = next(owned for owned in sold["inventory"] if owned["id"] == item)
            owned["count"] -= 1
            if owned["count"] == 0:
                sold["inventory"].remove(owned)
            self.say(server, player, op, seller, item, name, price)
        data["coins"] -= price
        for owned in data["inventory"]:
            if owned["id"] == item:
                owned["count"] += 1
                return
        data["inventory"].append({"id": item, "name": name, "count": 1, "durability": 1.0})


def write_rows(path, rows):
    with path.open("w", encoding="utf-8") as file:
        for player, value in rows.items():
            file.write(json.dumps({"key": f"Player_{player}", "value": value},
                                  ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path, help="the folder to write to")
    parser.add_argument("--players", type=int, default=1500)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    players = rng.sample(range(10_000_000, 4_000_000_000), options.players)
    profiles = {player: make_profile(rng, player, players) for player in players}
    world = {player: morning(profile) for player, profile in profiles.items()}
    day = Day(rng, world, options.events)
    day.play()
    options.out.mkdir(parents=True, exist_ok=True)
    write_rows(options.out / "profiles.jsonl", profiles)
    write_rows(options.out / "expected.jsonl", world)
    header = "time_ms,server,player,op,a,b,c,d\n"
    (options.out / "day.csv").write_text(header + "\n".join(day.lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
