-- All rows of the partition: they are from a log that is no more.
WITH
a AS (DELETE FROM devices WHERE partition = $1),
b AS (DELETE FROM sessions WHERE partition = $1),
c AS (DELETE FROM routes WHERE partition = $1),
d AS (DELETE FROM closing WHERE partition = $1),
e AS (DELETE FROM pending_pushes WHERE partition = $1),
f AS (DELETE FROM debts WHERE partition = $1),
g AS (DELETE FROM waiting_pushes WHERE partition = $1),
h AS (DELETE FROM tombstones WHERE partition = $1)
DELETE FROM recent_pushes WHERE partition = $1
