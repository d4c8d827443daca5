-- Before all that is known is written anew.
DELETE FROM recent_pushes WHERE partition = $1 AND next <> $2
