/* Model 4: cancelling a running task with its children (engine/cancel.h). Somebody marks the task and then looks for its children in
   the table, entry by entry, each in a transaction; meanwhile the task submits more of them. With FORCE its process is killed,
   else a signal is sent, which may come late: another task runs there by then. */
#ifndef NC
#define NC 3            /* children, at entries of the table that are taken in any order */
#endif
#define NONE 255
#define FREE 0
#define READY 1
#define CANCELLED 2
byte child[NC]; bool marked=false, told=false, killed=false, scanned=false, ended=false, over=false;
bool next_runs=false, next_hit=false, asked=false, process_asked=false;
inline SUBMIT(i){ atomic{ if :: child[i]==FREE && !killed ->
#ifdef BUG_LOOKS_NOT_AT_PARENT
        child[i]=READY
#else
        if :: marked && !told -> child[i]=CANCELLED :: else -> child[i]=READY fi
#endif
     :: else -> skip fi } }
inline SCAN(){ byte k=0; do :: k<NC -> atomic{ if :: child[k]==READY -> child[k]=CANCELLED :: else -> skip fi; k++ } :: else -> break od }
proctype task(){ byte n=0;
  do :: n<NC && !killed -> if :: true -> SUBMIT(0) :: true -> SUBMIT(1) :: true -> SUBMIT(2) fi; n++
     :: n<NC && !killed && next_runs -> break
     :: n==NC || killed -> break
     :: break od;
  atomic{ ended=true; next_runs=!killed }            /* its process takes the next task, if it lives */
}
proctype canceller(){
  atomic{ if :: !ended -> marked=true; asked=true :: else -> skip fi };
  if :: marked -> SCAN() :: else -> skip fi; scanned=true }
#ifdef FORCE
proctype supervisor(){ end: marked -> killed=true }   /* some time later */
#else
proctype supervisor(){ byte k=0;
  if :: asked -> atomic{                             /* the handler of the signal */
#ifdef BUG_MARKS_PROCESS
        if :: next_runs -> next_hit=true :: else -> told=true fi
#else
        if :: !ended && marked -> told=true :: else -> skip fi
#endif
     }
     :: scanned && !asked -> goto out fi;
  if :: told -> do :: k<NC -> atomic{ if :: child[k]==READY -> child[k]=CANCELLED :: else -> skip fi; k++ } :: else -> break od
     :: else -> skip fi;
out: over=true }
#endif
proctype watch(){ byte k=0; timeout -> atomic{
  assert(!next_hit);
#ifdef FORCE
  do :: k<NC -> assert(!(marked && child[k]==READY)); k++ :: else -> break od
#endif
  skip } }
init{ atomic{ run task(); run canceller(); run watch(); run supervisor() } }
