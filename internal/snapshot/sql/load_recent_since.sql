SELECT users, push_ids, positions, digests, times, floor_users, floors
FROM recent_pushes
WHERE partition = $1 AND next > $2
ORDER BY next, part
