"""Commands, stages and operators of MongoDB that only read."""

READ_COMMANDS: dict[str, frozenset[str]] = {
    "find": frozenset(
        """
        filter projection sort limit skip hint batchSize singleBatch min max returnKey showRecordId collation
        allowDiskUse let allowPartialResults tailable awaitData noCursorTimeout
        """.split()
    ),
    "aggregate": frozenset("pipeline cursor allowDiskUse hint collation let".split()),
    "count": frozenset("query limit skip hint collation".split()),
    "distinct": frozenset("key query collation hint".split()),
    "explain": frozenset({"verbosity"}),
    "collStats": frozenset({"scale"}),
    "dbStats": frozenset({"scale", "freeStorage"}),
    "dataSize": frozenset("keyPattern min max estimate".split()),
    "listCollections": frozenset("filter nameOnly authorizedCollections".split()),
    "listDatabases": frozenset("filter nameOnly authorizedDatabases".split()),
    "listIndexes": frozenset({"cursor"}),
    "serverStatus": frozenset(
        """
        repl metrics locks connections network opcounters wiredTiger mem asserts globalLock tcmalloc storageEngine
        flowControl indexStats extra_info opLatencies sharding transactions
        """.split()
    ),
    "replSetGetStatus": frozenset({"initialSync"}),
    "getLog": frozenset(),
    "hello": frozenset(),
    "isMaster": frozenset(),
    "ping": frozenset(),
    "buildInfo": frozenset(),
    "buildinfo": frozenset(),
    "hostInfo": frozenset(),
    "connPoolStats": frozenset(),
    "top": frozenset(),
    "currentOp": frozenset(
        "$all $ownOps active secs_running op ns waitingForLock desc client planSummary type".split()
    ),
    "getShardVersion": frozenset(),
    "listShards": frozenset(),
    "balancerStatus": frozenset(),
    "connectionStatus": frozenset(),
    "features": frozenset(),
    "lockInfo": frozenset(),
    "replSetGetConfig": frozenset({"commitmentStatus"}),
}

STAGES = frozenset(
    """
    $match $project $group $sort $limit $skip $unwind $count $addFields $set $unset $sortByCount $bucket $bucketAuto
    $facet $lookup $graphLookup $unionWith $replaceRoot $replaceWith $sample $redact $densify $fill $setWindowFields
    $geoNear $collStats $indexStats $currentOp $planCacheStats $documents $search $searchMeta $vectorSearch $queryStats
    """.split()
) - {"$search", "$searchMeta", "$vectorSearch"}

ACCUMULATORS_REFUSED = frozenset(
    {"$function", "$accumulator", "$where", "$out", "$merge", "$eval", "$code", "$scope", "$mapReduce"}
)

EXTENDED_JSON = frozenset(
    """
    $date $oid $numberLong $numberInt $numberDouble $numberDecimal $uuid $binary $timestamp $regularExpression $minKey
    $maxKey $undefined $symbol
    """.split()
)

OPERATORS = frozenset(
    """
    $eq $ne $gt $gte $lt $lte $in $nin $and $or $nor $not $exists $type $expr $jsonSchema $mod $regex $options $text
    $search $language $caseSensitive $diacriticSensitive $all $elemMatch $size $bitsAllClear $bitsAllSet $bitsAnyClear
    $bitsAnySet $geoWithin $geoIntersects $near $nearSphere $geometry $maxDistance $minDistance $box $center
    $centerSphere $polygon $comment $slice $meta $natural $sampleRate
    $abs $add $ceil $divide $exp $floor $ln $log $log10 $multiply $pow $round $sqrt $subtract $trunc $sigmoid
    $arrayElemAt $arrayToObject $concatArrays $filter $first $firstN $indexOfArray $isArray $last $lastN $map $maxN
    $minN $objectToArray $range $reduce $reverseArray $sortArray $zip $cmp $cond $ifNull $switch
    $dateAdd $dateDiff $dateFromParts $dateFromString $dateSubtract $dateToParts $dateToString $dateTrunc $dayOfMonth
    $dayOfWeek $dayOfYear $hour $isoDayOfWeek $isoWeek $isoWeekYear $millisecond $minute $month $second $toDate $week
    $year $literal $getField $mergeObjects $setField $unsetField $allElementsTrue $anyElementTrue $setDifference
    $setEquals $setIntersection $setIsSubset $setUnion $concat $indexOfBytes $indexOfCP $ltrim $regexFind $regexFindAll
    $regexMatch $replaceOne $replaceAll $rtrim $split $strLenBytes $strLenCP $strcasecmp $substr $substrBytes $substrCP
    $toLower $toString $trim $toUpper $sin $cos $tan $asin $acos $atan $atan2 $degreesToRadians $radiansToDegrees
    $convert $isNumber $toBool $toDecimal $toDouble $toInt $toLong $toObjectId $toUUID $let $rand $binarySize $bsonSize
    $avg $sum $min $max $push $addToSet $stdDevPop $stdDevSamp $count $top $topN $bottom $bottomN $median $percentile
    $covariancePop $covarianceSamp $denseRank $derivative $documentNumber $expMovingAvg $integral $linearFill $locf
    $rank $shift $bitAnd $bitOr $bitXor $bitNot $tsIncrement $tsSecond $toHashedIndexKey $minMaxScaler $each $position
    $mode
    """.split()
)
