SELECT users, push_ids, positions, digests, times, floor_users, floors
FROM recent_pushes
WHERE partition = $1
ORDER BY next, part
