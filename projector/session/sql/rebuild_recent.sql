-- The push ids that are known: how they lie in rows depends on the flushes.
SELECT (r.partition, i.user_key, i.position, i.push_id, i.digest, i.at)::text AS line
FROM recent_pushes r
CROSS JOIN unnest(r.users, r.push_ids, r.positions, r.digests, r.times) AS i(user_key, push_id, position, digest, at)
LEFT JOIN (
    SELECT f.partition, n.user_key, max(n.floor) AS floor
    FROM recent_pushes f CROSS JOIN unnest(f.floor_users, f.floors) AS n(user_key, floor)
    GROUP BY 1, 2
) o ON o.partition = r.partition AND o.user_key = i.user_key
WHERE i.position >= coalesce(o.floor, 0)
