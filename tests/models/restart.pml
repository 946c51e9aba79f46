/* Model 5: an actor that restarts (engine/actor.c). One caller's calls are in its mailbox in order; its process takes up to TAKES at a
   time and may die at any step. Then the creation, which was kept, is queued again, and calls that ran go back to the front, last
   taken first, while they have tries left. Each call ends once, and those that ran ended in the order made. */
#ifndef NCALLS
#define NCALLS 3
#endif
#ifndef KILLS
#define KILLS 2
#endif
#define TAKES 2
#define NONE 255
chan mailbox=[NCALLS] of { byte };
byte running[TAKES]; byte count=0;      /* what the process has taken, in order */
byte ends[NCALLS]; byte last=0; bool created=false, kept=true, alive=false, dying=false; byte kills=KILLS; byte made=0;
inline DIE(){ if :: kills>0 -> kills--; alive=false; dying=true :: skip fi }
proctype process(){ byte call;
end: do
  :: atomic{ alive && !created && kept -> created=true; DIE() }
  :: atomic{ alive && created && count<TAKES && nempty(mailbox) -> mailbox?call; running[count]=call; count++; DIE() }
  :: atomic{ alive && created && count>0 ->           /* the oldest ends, in one transaction */
       call=running[0]; running[0]=running[1]; count--; ends[call]++; assert(ends[call]==1);
       assert(call==last); last++; DIE() }
  od }
proctype caller(){ do :: made<NCALLS -> atomic{ mailbox!made; made++ } :: else -> break od }
proctype supervisor(){ byte back[NCALLS]; byte n, i;
end: do
  :: atomic{ dying -> dying=false; created=false;
#ifdef BUG_CREATION_GOES
     kept=false;
#endif
#ifdef BUG_TO_THE_BACK
     i=0; do :: i<count -> mailbox!running[i]; i++ :: else -> break od;
#else
     n=0; do :: nempty(mailbox) -> mailbox?back[n]; n++ :: else -> break od;
#ifdef BUG_FIRST_TAKEN_FIRST
     i=count; do :: i>0 -> i--; mailbox!running[i] :: else -> break od;
#else
     i=0; do :: i<count -> mailbox!running[i]; i++ :: else -> break od;
#endif
     i=0; do :: i<n -> mailbox!back[i]; i++ :: else -> break od;
#endif
#ifdef BUG_FORGETS_RUNNING
     n=count; do :: n>0 -> n--; mailbox?i :: else -> break od;
#endif
     count=0; alive=true; n=0; i=0 }
  od }
proctype watch(){ byte k=0; timeout -> atomic{ do :: k<NCALLS -> assert(ends[k]==1); k++ :: else -> break od } }
init{ atomic{ alive=true; run process(); run caller(); run supervisor(); run watch() } }
