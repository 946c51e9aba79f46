/* Model 3: where the bytes of one object are (store/spill.h). Two processes spill it and bring it back, a third reads it with a pin,
   a fourth without; any of the first two may die at any step, and the supervisor then repairs. A transaction is one atomic block.
   The bytes are right where `heap` or `file` is GOOD; memory that was given back is BAD at once, for others write there. */
#ifndef KILLS
#define KILLS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2        /* of the first two */
#endif
#ifndef READS
#define READS 1         /* of each of the others */
#endif
#define NONE 255
#define IN_PLACE 0
#define SPILLING 1
#define SPILLED 2
#define RESTORING 3
#define BAD 0
#define GOOD 1
byte residence=IN_PLACE, heap=GOOD, file=BAD, pins=0, claim=NONE, departures=0, kills=KILLS;
bool copied=false;      /* in the heap, and still in its file */
bool dead[2]; bool pinned_by[2]; byte over=0;
#define SOUND ((heap==GOOD && residence<=SPILLING) || (file==GOOD && residence>=SPILLED))
#define MAYDIE if :: kills>0 -> atomic{ kills--; dead[me]=true; goto gone } :: skip fi
inline LEAVE(){ heap=BAD; departures=(departures+1)%8; residence=SPILLED; claim=NONE; copied=false }
proctype spiller(byte me) { byte rounds=ROUNDS; bool ours;
  do :: rounds>0 -> rounds--;
     if
     :: atomic{ ours=false; if                                       /* choose */
             :: residence==IN_PLACE && pins==0 && copied -> LEAVE()
             :: residence==IN_PLACE && pins==0 && !copied -> residence=SPILLING; claim=me; ours=true
             :: else -> skip fi };
        if :: ours -> MAYDIE;
#ifdef BUG_LEAVES_BEFORE_WRITTEN
              atomic{ if :: pins>0 -> residence=IN_PLACE; claim=NONE :: else -> LEAVE() fi }; MAYDIE; file=GOOD
#else
              file=GOOD; MAYDIE;                                      /* outside the lock */
#ifdef BUG_TAKES_PINNED
              atomic{ LEAVE() }
#else
              atomic{ if :: pins>0 -> residence=IN_PLACE; claim=NONE; file=BAD :: else -> LEAVE() fi }
#endif
#endif
           :: else -> skip fi
     :: atomic{ ours=false; if                                       /* restore */
             :: residence==SPILLED -> residence=RESTORING; claim=me; pins++; pinned_by[me]=true; ours=true
             :: else -> skip fi };
        if :: ours ->
#ifdef BUG_READY_BEFORE_READ
              atomic{ residence=IN_PLACE; claim=NONE; copied=true }; MAYDIE; heap=GOOD; MAYDIE;
#else
              MAYDIE; heap=GOOD; MAYDIE;
              atomic{ residence=IN_PLACE; claim=NONE; copied=true };
#endif
              MAYDIE; atomic{ pins--; pinned_by[me]=false }
           :: else -> skip fi
     :: atomic{ if                                                   /* the disk is full: give the copy up */
             :: residence==IN_PLACE && copied -> file=BAD;
#ifndef BUG_FORGETS_NOT
                copied=false
#endif
             :: else -> skip fi }
     fi
  :: else -> break od;
gone: over++ }
proctype pinning(){ byte rounds=READS; bool mine;
  do :: rounds>0 -> rounds--;
     atomic{ mine=(residence<=SPILLING); if :: mine -> pins++ :: else -> skip fi };
     if :: mine -> assert(heap==GOOD); assert(heap==GOOD); atomic{ pins-- } :: else -> skip fi
  :: else -> break od; over++ }
proctype copying(){ byte rounds=READS; byte seen, got; bool there;
  do :: rounds>0 -> rounds--;
     atomic{ there=(residence<=SPILLING); seen=departures };
     if :: there -> got=heap;                                        /* copied out without a pin */
#ifndef BUG_TRUSTS_COPY
           if :: departures==seen -> assert(got==GOOD) :: else -> skip fi; seen=0; got=0
#else
           assert(got==GOOD)
#endif
        :: else -> skip fi
  :: else -> break od; over++ }
proctype supervisor(){ byte w;
end: do :: atomic{ if :: dead[0] -> w=0 :: dead[1] -> w=1 fi;
     dead[w]=false;
     if :: claim==w && residence==SPILLING -> residence=IN_PLACE; claim=NONE; file=BAD
        :: claim==w && residence==RESTORING -> residence=SPILLED; claim=NONE; heap=BAD; departures=(departures+1)%8
        :: else -> skip fi;
     if :: pinned_by[w] -> pins--; pinned_by[w]=false :: else -> skip fi } od }
proctype watch(){ timeout -> assert(over==4 && SOUND && pins==0 && claim==NONE) }
active proctype always(){ end: do :: atomic{ !SOUND -> assert(false) } od }
init{ atomic{ run spiller(0); run spiller(1); run pinning(); run copying(); run supervisor(); run watch() } }
